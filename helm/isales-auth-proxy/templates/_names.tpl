{{- define "isales-auth-proxy.name" -}}
{{- .Values.nameOverride | default "isales-auth-proxy" | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 54 characters: 63 less the longest suffix, "-network". */}}
{{- define "isales-auth-proxy.fullname" -}}
{{- $name := include "isales-auth-proxy.name" . -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- .Values.fullnameOverride | default $full | trunc 54 | trimSuffix "-" -}}
{{- end -}}

{{- define "isales-auth-proxy.selector" -}}
app.kubernetes.io/name: {{ include "isales-auth-proxy.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "isales-auth-proxy.labels" -}}
{{ include "isales-auth-proxy.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "isales-auth-proxy.mode" -}}
{{- if ne .Values.mode "auto" -}}{{ .Values.mode }}
{{- else -}}{{ ternary "standalone" "sidecar" .Chart.IsRoot }}
{{- end -}}
{{- end -}}

{{- define "isales-auth-proxy.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* The port of an address such as ":9090" or "[::1]:8080". */}}
{{- define "isales-auth-proxy.port" -}}
{{- regexFind "[0-9]+$" . | required (printf "%s names no port" .) -}}
{{- end -}}

{{/* The port of an origin such as "https://isales.example:8443". */}}
{{- define "isales-auth-proxy.urlPort" -}}
{{- $url := urlParse . -}}
{{- regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) | default (ternary "80" "443" (eq $url.scheme "http")) -}}
{{- end -}}

{{/* A duration such as "2.5s", or "5" for seconds, in whole seconds, rounded up. */}}
{{- define "isales-auth-proxy.seconds" -}}
{{- $unit := regexFind "[a-z]+$" . -}}
{{- $factor := get (dict "" 1.0 "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0) $unit | required (printf "%s is not a duration such as 500ms, 5s or 1m" .) -}}
{{- mulf (trimSuffix $unit . | float64) $factor | ceil | int -}}
{{- end -}}
