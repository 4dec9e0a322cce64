{{- define "isales-auth-proxy.injectionNamespaces" -}}
{{- toYaml (.Values.injection.namespaces | default (list .Release.Namespace)) -}}
{{- end -}}

{{/* The value of the label `isales-auth-proxy` that this release serves: it names the release. */}}
{{- define "isales-auth-proxy.injectionLabel" -}}
{{- .Values.injection.label | default .Release.Name -}}
{{- end -}}

{{/* What pods are marked with: the release, and a hash of what it injects. At most 63 characters. */}}
{{- define "isales-auth-proxy.injectionMark" -}}
{{- $what := printf "%s%s" (include "isales-auth-proxy.injectedContainer" .) (include "isales-auth-proxy.injectedVolumes" .) -}}
{{- printf "%s.%s" .Release.Name (sha256sum $what | trunc 8) -}}
{{- end -}}

{{/* The container of the chart as an expression. Annotations of the pod say its log level and its Secret. */}}
{{- define "isales-auth-proxy.injectedContainer" -}}
{{- $container := include "isales-auth-proxy.container" . | fromYaml -}}
{{- range $container.env -}}
  {{- if eq .name "LOG_LEVEL" -}}{{- $_ := set . "value" "@cel:variables.level" -}}{{- end -}}
{{- end -}}
{{- include "isales-auth-proxy.cel" (dict "type" "Object.spec.initContainers" "value" $container) -}}
{{- end -}}

{{/* Its volumes, as a JSON list of expressions. */}}
{{- define "isales-auth-proxy.injectedVolumes" -}}
{{- $volumes := list -}}
{{- range include "isales-auth-proxy.podVolumes" . | fromYamlArray -}}
  {{- if eq .name "isales-credentials" -}}
    {{- $_ := set .secret "secretName" "@cel:variables.secret" -}}
  {{- end -}}
  {{- $volumes = append $volumes (include "isales-auth-proxy.cel" (dict "type" "Object.spec.volumes" "value" .)) -}}
{{- end -}}
{{- toJson $volumes -}}
{{- end -}}

{{/*
A value as an expression of the Common Expression Language. Takes a dict: `type`, the CEL type of an object at this
place, and `value`. Maps whose keys anybody may choose are maps in CEL, too, and their values texts, as quantities are
everywhere: YAML may hold a number there, which an API server does not compile. A text that begins with "@cel:" is an expression already.
*/}}
{{- define "isales-auth-proxy.cel" -}}
{{- $type := .type -}}
{{- $free := has (base (replace "." "/" $type)) (list "annotations" "labels" "limits" "matchLabels" "requests" "volumeAttributes") -}}
{{- if kindIs "map" .value -}}
  {{- $fields := list -}}
  {{- range $key, $value := .value -}}
    {{- $isText := and (or $free (has $key (list "divisor" "sizeLimit"))) (not (kindIs "map" $value)) -}}
    {{- $given := ternary (include "isales-auth-proxy.text" $value) $value $isText -}}
    {{- $cel := include "isales-auth-proxy.cel" (dict "type" (printf "%s.%s" $type $key) "value" $given) -}}
    {{- $fields = append $fields (printf "%s: %s" (ternary (toJson $key) $key $free) $cel) -}}
  {{- end -}}
  {{- ternary "" $type $free }}{{ printf "{%s}" (join ", " $fields) -}}
{{- else if kindIs "slice" .value -}}
  {{- $items := list -}}
  {{- range .value -}}
    {{- $items = append $items (include "isales-auth-proxy.cel" (dict "type" $type "value" .)) -}}
  {{- end -}}
  {{- printf "[%s]" (join ", " $items) -}}
{{- else if and (kindIs "string" .value) (hasPrefix "@cel:" .value) -}}
  {{- trimPrefix "@cel:" .value -}}
{{- else -}}
  {{- toJson .value -}}
{{- end -}}
{{- end -}}
