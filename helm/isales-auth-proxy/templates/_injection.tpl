{{- define "isales-auth-proxy.injectionNamespaces" -}}
{{- toYaml (.Values.injection.namespaces | default (list .Release.Namespace)) -}}
{{- end -}}

{{/* The value of the label `isales-auth-proxy` that this release serves: it names the release. */}}
{{- define "isales-auth-proxy.injectionLabel" -}}
{{- .Values.injection.label | default .Release.Name -}}
{{- end -}}

{{/* The mark of a pod: the release, and a hash of the rules that made the pod. At most 63 characters. */}}
{{- define "isales-auth-proxy.injectionMark" -}}
{{- printf "%s.%s" .Release.Name (include "isales-auth-proxy.injectionRules" (dict "root" . "mark" "") | sha256sum | trunc 8) -}}
{{- end -}}

{{/* All changes that the policy makes to a pod. Takes a dict: `root`, and `mark`, which is empty while the rules are hashed. */}}
{{- define "isales-auth-proxy.injectionRules" -}}
{{- $root := .root -}}
variables:
  - name: given
    expression: 'has(object.metadata.annotations) ? object.metadata.annotations : {}'
  # The API server validates the pod before the guard explains a wrong annotation: until then, the pod must be valid.
  - name: stated
    expression: variables.given.filter(key, variables.given[key] != '')
  - name: secret
    expression: >-
      'isales-auth-proxy/secret' in variables.stated ? string(variables.given['isales-auth-proxy/secret']) : {{ toJson $root.Values.secret.name }}
  - name: level
    expression: >-
      'isales-auth-proxy/log-level' in variables.stated ? string(variables.given['isales-auth-proxy/log-level']) : {{ (include "isales-auth-proxy.settings" $root | fromYaml).LOG_LEVEL | toJson }}
mutations:
  # First of the init containers, so that the others can already call iSales. A JSON patch, because an apply
  # configuration cannot contain atomic lists (`capabilities.drop`).
  - patchType: JSONPatch
    jsonPatch:
      expression: >-
        (has(object.spec.initContainers) ? [] : [JSONPatch{op: "add", path: "/spec/initContainers", value: []}])
        + (has(object.spec.volumes) ? [] : [JSONPatch{op: "add", path: "/spec/volumes", value: []}])
        + [JSONPatch{op: "add", path: "/metadata/labels/isales-auth-proxy~1injected", value: {{ toJson .mark }}}]
        + [JSONPatch{op: "add", path: "/spec/initContainers/0", value: {{ include "isales-auth-proxy.injectedContainer" $root }}}]
        {{- range include "isales-auth-proxy.injectedVolumes" $root | fromJsonArray }}
        + [JSONPatch{op: "add", path: "/spec/volumes/-", value: {{ . }}}]
        {{- end }}
        {{- with include "isales-auth-proxy.imagePullSecrets" $root | fromYamlArray }}
        + (has(object.spec.imagePullSecrets) ? [] : [JSONPatch{op: "add", path: "/spec/imagePullSecrets", value: []}])
        {{- range . }}
        + (has(object.spec.imagePullSecrets) && object.spec.imagePullSecrets.exists(s, has(s.name) && s.name == {{ toJson .name }}) ? [] : [JSONPatch{op: "add", path: "/spec/imagePullSecrets/-", value: Object.spec.imagePullSecrets{name: {{ toJson .name }}}}])
        {{- end }}
        {{- end }}
{{- end -}}

{{/* The chart's container as an expression. Annotations of the pod set its log level and its Secret. */}}
{{- define "isales-auth-proxy.injectedContainer" -}}
{{- $container := include "isales-auth-proxy.container" . | fromYaml -}}
{{- range $container.env -}}
  {{- if eq .name "LOG_LEVEL" -}}{{- $_ := set . "value" (dict "@cel" "variables.level") -}}{{- end -}}
{{- end -}}
{{- include "isales-auth-proxy.cel" (dict "type" "Object.spec.initContainers" "value" $container) -}}
{{- end -}}

{{/* Its volumes, as a JSON list of expressions. */}}
{{- define "isales-auth-proxy.injectedVolumes" -}}
{{- $volumes := list -}}
{{- range include "isales-auth-proxy.podVolumes" . | fromYamlArray -}}
  {{- if eq .name "isales-credentials" -}}
    {{- $_ := set .secret "secretName" (dict "@cel" "variables.secret") -}}
  {{- end -}}
  {{- $volumes = append $volumes (include "isales-auth-proxy.cel" (dict "type" "Object.spec.volumes" "value" .)) -}}
{{- end -}}
{{- toJson $volumes -}}
{{- end -}}

{{/*
A value as an expression of the Common Expression Language. Takes a dict: `type`, the CEL type of the object, and `value`.
Maps with free keys, such as labels, are also maps in CEL. Their values are strings, as are all quantities: YAML allows numbers
there, which an API server does not compile. A map with the key "@cel" contains an expression.
*/}}
{{- define "isales-auth-proxy.cel" -}}
{{- $type := .type -}}
{{- $free := has (base (replace "." "/" $type)) (list "annotations" "labels" "limits" "matchLabels" "requests" "volumeAttributes") -}}
{{- if and (kindIs "map" .value) (hasKey .value "@cel") -}}
  {{- index .value "@cel" -}}
{{- else if kindIs "map" .value -}}
  {{- $fields := list -}}
  {{- range $key, $value := .value -}}
    {{- if kindIs "invalid" $value -}}{{- continue -}}{{- end -}}
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
{{- else -}}
  {{- toJson .value -}}
{{- end -}}
{{- end -}}
