{{/* The alias if there is one, so that two dependencies in one release have different objects. */}}
{{- define "isales-auth-proxy.name" -}}
{{- .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 53 characters: 63 less the longest suffix, "-dashboard". */}}
{{- define "isales-auth-proxy.fullname" -}}
{{- $name := include "isales-auth-proxy.name" . -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- .Values.fullnameOverride | default $full | trunc 53 | trimSuffix "-" -}}
{{- end -}}

{{- define "isales-auth-proxy.selector" -}}
app.kubernetes.io/name: {{ include "isales-auth-proxy.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{/*
Name, namespace, labels and annotations of an object. Takes a dict: `root`, and optionally `name`, `suffix`, `labels`,
`annotations`, and `cluster` for an object without a namespace. The chart's own labels take precedence over `labels`, and these over `commonLabels`.
*/}}
{{- define "isales-auth-proxy.metadata" -}}
{{- $root := .root -}}
name: {{ .name | default (printf "%s%s" (include "isales-auth-proxy.fullname" $root) (.suffix | default "")) | quote }}
{{- if not .cluster }}
namespace: {{ $root.Release.Namespace | quote }}
{{- end }}
labels:
  {{- $own := include "isales-auth-proxy.selector" $root | fromYaml }}
  {{- $_ := set $own "app.kubernetes.io/version" $root.Chart.AppVersion }}
  {{- $_ := set $own "app.kubernetes.io/managed-by" $root.Release.Service }}
  {{- $_ := set $own "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_") }}
  {{- merge $own (.labels | default dict) ($root.Values.commonLabels | default dict) | toYaml | nindent 2 }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "isales-auth-proxy.mode" -}}
{{- if ne .Values.mode "auto" -}}{{ .Values.mode }}
{{- else -}}{{ ternary "standalone" "sidecar" .Chart.IsRoot }}
{{- end -}}
{{- end -}}

{{- define "isales-auth-proxy.image" -}}
{{- with .Values.global.imageRegistry | default .Values.image.registry -}}{{ trimSuffix "/" . }}/{{- end -}}
{{- .Values.image.repository -}}
{{- if .Values.image.digest -}}@{{ .Values.image.digest }}
{{- else -}}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* In the form of a pod; a plain name means `name: …`. */}}
{{- define "isales-auth-proxy.imagePullSecrets" -}}
{{- range concat (.Values.global.imagePullSecrets | default list) (.Values.imagePullSecrets | default list) }}
- name: {{ ternary . (get (ternary dict . (kindIs "string" .)) "name") (kindIs "string" .) | quote }}
{{- end -}}
{{- end -}}

{{/* The port of an address such as ":9090" or "[::1]:8080". */}}
{{- define "isales-auth-proxy.port" -}}
{{- regexFind "[0-9]+$" . -}}
{{- end -}}

{{/* The port of a URL such as "https://isales.example:8443" or "valkeys://user@store/1". */}}
{{- define "isales-auth-proxy.urlPort" -}}
{{- $server := regexReplaceAll "^([a-z+]+://)?([^@/]*@)?([^/?]*).*$" . "${3}" -}}
{{- $default := ternary "6379" (ternary "443" "80" (hasPrefix "https:" .)) (regexMatch "^(redis|valkey)" .) -}}
{{- regexFind "[0-9]+$" (regexFind ":[0-9]+$" $server) | default $default -}}
{{- end -}}

{{/* Ports of iSales and of the proxy to it, as a list: NO_PROXY may name hosts that are reached without the proxy. */}}
{{- define "isales-auth-proxy.isalesPorts" -}}
{{- $settings := include "isales-auth-proxy.settings" . | fromYaml -}}
{{- range compact (list $settings.ISALES_URL $settings.HTTPS_PROXY) }}
- {{ include "isales-auth-proxy.urlPort" . }}
{{- end }}
{{- end -}}

{{/* A duration such as "2.5s", or "5" for seconds, in whole seconds, rounded up. */}}
{{- define "isales-auth-proxy.seconds" -}}
{{- $unit := regexFind "[a-z]*$" . -}}
{{- $factor := get (dict "" 1.0 "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0) $unit -}}
{{- mulf (trimSuffix $unit . | float64) $factor | ceil | int -}}
{{- end -}}

{{/* The fields of a map that are not empty. */}}
{{- define "isales-auth-proxy.fields" -}}
{{- range $field, $value := . }}
{{- with $value }}
{{ dict $field . | toYaml }}
{{- end }}
{{- end }}
{{- end -}}
