{{/*
Templates for the pods of a chart that has this chart as a dependency, as docs/kubernetes.md shows. `.` is the other chart's
scope, or `.Subcharts.<alias>` if the dependency has an alias.
*/}}
{{- define "isales-auth-proxy.initContainers" -}}
{{- include "isales-auth-proxy.checkScope" . -}}
{{- $own := get (.Subcharts | default dict) "isales-auth-proxy" | default . -}}
- {{ include "isales-auth-proxy.container" $own | nindent 2 | trim }}
{{- end -}}

{{- define "isales-auth-proxy.volumes" -}}
{{- include "isales-auth-proxy.checkScope" . -}}
{{- include "isales-auth-proxy.podVolumes" (get (.Subcharts | default dict) "isales-auth-proxy" | default .) | trim -}}
{{- end -}}

{{- define "isales-auth-proxy.podLabels" -}}
isales-auth-proxy/release: {{ .Release.Name | quote }}
{{- end -}}

{{- define "isales-auth-proxy.checkScope" -}}
{{- if not (or (hasKey (.Subcharts | default dict) "isales-auth-proxy") (hasKey .Values "isalesClientCert")) -}}
  {{- fail "isales-auth-proxy: pass the scope of the chart that has it as a dependency (.), or, with an alias, .Subcharts.<alias>" -}}
{{- end -}}
{{- end -}}
