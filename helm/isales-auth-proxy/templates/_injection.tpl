{{- define "isales-auth-proxy.injectionNamespaces" -}}
{{- toYaml (.Values.injection.namespaces | default (list .Release.Namespace)) -}}
{{- end -}}

{{/*
A value as an expression of the Common Expression Language. Takes a dict: `type`, the CEL type of an object at this
place, and `value`. Maps whose keys anybody may choose are maps in CEL, too; a text that begins with "@cel:" is an
expression already.
*/}}
{{- define "isales-auth-proxy.cel" -}}
{{- $type := .type -}}
{{- $free := has (base (replace "." "/" $type)) (list "annotations" "labels" "limits" "matchLabels" "requests" "volumeAttributes") -}}
{{- if kindIs "map" .value -}}
  {{- $fields := list -}}
  {{- range $key, $value := .value -}}
    {{- $cel := include "isales-auth-proxy.cel" (dict "type" (printf "%s.%s" $type $key) "value" $value) -}}
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
