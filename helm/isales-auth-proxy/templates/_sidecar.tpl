{{/*
What a chart that has this one as a dependency puts into its own pods; `.` is that chart's scope (or, where the
dependency has an alias, `.Subcharts.<alias>`):

      initContainers:
        {{- include "isales-auth-proxy.initContainers" . | nindent 8 }}
      containers:
        {{- include "isales-auth-proxy.containers" . | nindent 8 }}
      volumes:
        {{- include "isales-auth-proxy.volumes" . | nindent 8 }}

Which of the first two is empty is decided by `sidecar.native`.
*/}}
{{- define "isales-auth-proxy.initContainers" -}}
{{- $own := get (.Subcharts | default dict) "isales-auth-proxy" | default . -}}
{{- if $own.Values.sidecar.native -}}
- {{ include "isales-auth-proxy.container" $own | nindent 2 | trim }}
{{- end -}}
{{- end -}}

{{- define "isales-auth-proxy.containers" -}}
{{- $own := get (.Subcharts | default dict) "isales-auth-proxy" | default . -}}
{{- if not $own.Values.sidecar.native -}}
- {{ include "isales-auth-proxy.container" $own | nindent 2 | trim }}
{{- end -}}
{{- end -}}

{{- define "isales-auth-proxy.volumes" -}}
{{- $own := get (.Subcharts | default dict) "isales-auth-proxy" | default . -}}
{{- include "isales-auth-proxy.ownVolumes" $own | trim -}}
{{- end -}}
