{{/*
Problems that the schema cannot express, one line each. A line names the value by the user's path (in a parent chart, below
the name of the dependency), and the value to set instead.
*/}}
{{- define "isales-auth-proxy.problems" -}}
{{- $at := ternary "" (printf "%s." .Chart.Name) .Chart.IsRoot -}}
{{- $standalone := eq (include "isales-auth-proxy.mode" .) "standalone" -}}
{{- $kubernetes := .Capabilities.KubeVersion.Version -}}
{{- $settings := include "isales-auth-proxy.settings" . | fromYaml -}}
{{- $unsafe := eq ($settings.UNSAFE_LISTEN | default "") "true" -}}
{{- $store := .Values.sessionStore -}}
{{- if .Values.injection.enabled }}
{{- if semverCompare "<1.36.0-0" $kubernetes }}
{{ $at }}injection.enabled needs Kubernetes 1.36, and this is {{ $kubernetes }}; without a cluster, name its version with --kube-version
{{- end }}
{{- if $standalone }}
{{ $at }}injection.enabled adds sidecars to pods: set {{ $at }}mode=sidecar
{{- end }}
{{- end }}

{{- /* Required values. */}}
{{- if not $settings.ISALES_URL }}
{{ $at }}settings.ISALES_URL is required: the address of iSales, for example https://isales.example
{{- end }}
{{- if not (or .Values.secret.name $settings.ISALES_PASSWORD_FILE) }}
{{ $at }}secret.name is required: the Secret with the iSales user and password
{{- end }}
{{- if and $standalone (not $settings.LISTEN_TLS_CERT_FILE) (not $unsafe) }}
{{ $at }}tls.secretName is required: CTI-OBS sends its password over the network (or set {{ $at }}settings.UNSAFE_LISTEN: true)
{{- end }}
{{- if and .Values.tls.clientCa (not .Values.tls.secretName) }}
{{ $at }}tls.clientCa needs {{ $at }}tls.secretName: the Secret whose key ca.crt has signed the certificates of clients
{{- end }}

{{- /* Names and sizes that the API server would refuse, of an injected sidecar only when pods are created. */}}
{{- $name := include "isales-auth-proxy.fullname" . }}
{{- if and $standalone (not (regexMatch "^[a-z][-a-z0-9]*$" $name)) }}
the release {{ .Release.Name }} makes the name {{ $name }}, which a Service cannot have (a-z, 0-9 and -, a letter first): set {{ $at }}fullnameOverride
{{- end }}
{{- $limits := (.Values.resources | default dict).limits | default dict }}
{{- range $resource, $request := (.Values.resources | default dict).requests }}
{{- $limit := get $limits $resource }}
{{- if and $limit (gt (include "isales-auth-proxy.quantity" $request | float64) (include "isales-auth-proxy.quantity" $limit | float64)) }}
{{ $at }}resources.requests.{{ $resource }} is {{ $request }}, above {{ $at }}resources.limits.{{ $resource }}, {{ $limit }}
{{- end }}
{{- end }}
{{- $volumes := dict }}
{{- range .Values.extraVolumes }}
{{- if hasPrefix "isales-" .name }}
{{ $at }}extraVolumes names {{ .name }}, but isales- begins the names of the chart's own volumes: use another name
{{- else if hasKey $volumes .name }}
{{ $at }}extraVolumes names {{ .name }} twice
{{- end }}
{{- $_ := set $volumes .name true }}
{{- end }}

{{- /* iSales. */}}
{{- with $settings.ISALES_URL }}
{{- $isLocal := regexMatch "(?i)^http://(127[.]|localhost[:/]|localhost$|\\[::1\\])" . }}
{{- if and (regexMatch "(?i)^http:" .) (not $isLocal) (ne ($settings.ISALES_ALLOW_HTTP | default "") "true") }}
{{ $at }}settings.ISALES_URL is {{ . }}: the password would cross the network in clear text; use https, or set {{ $at }}settings.ISALES_ALLOW_HTTP: true on a network without eavesdroppers
{{- end }}
{{- end }}

{{- /* The store. */}}
{{- if and $store.secretName (not $settings.SESSION_STORE_URL) }}
{{ $at }}settings.SESSION_STORE_URL is required with {{ $at }}sessionStore.secretName: the address of the shared store
{{- else if and $settings.SESSION_STORE_URL (not $settings.SESSION_STORE_KEY_FILE) }}
{{ $at }}sessionStore.secretName is required with {{ $at }}settings.SESSION_STORE_URL: the Secret with the key that encrypts the token
{{- end }}
{{- if and $store.ca.configMapName (not (regexMatch "^(valkeys|rediss):" ($settings.SESSION_STORE_URL | default ""))) }}
{{ $at }}sessionStore.ca is for a store with TLS: {{ $at }}settings.SESSION_STORE_URL must begin with valkeys: or rediss:
{{- end }}

{{- /* The listeners. */}}
{{- $listen := $settings.LISTEN | default "127.0.0.1:8080" }}
{{- $admin := $settings.ADMIN_LISTEN }}
{{- $loopback := "^(127[.]|localhost:|\\[::1\\]:)" }}
{{- if regexMatch $loopback $admin }}
{{ $at }}settings.ADMIN_LISTEN is {{ $admin }}: neither kubelet's probes nor Prometheus reach a pod's loopback; set ":9090"
{{- end }}
{{- if regexMatch $loopback $listen }}
{{- if $standalone }}
{{ $at }}settings.LISTEN is {{ $listen }}: the Service does not reach a pod's loopback; set ":8443"
{{- end }}
{{- else if and $settings.ISALES_PASSWORD_FILE (not (or $settings.OBS_PASSWORD_FILE $settings.LISTEN_CLIENT_CA_FILE $unsafe)) }}
{{ $at }}settings.LISTEN is {{ $listen }}, and CTI-OBS need not log in: every client could call iSales; set {{ $at }}settings.OBS_USER (and {{ $at }}secret.keys.obsPassword), {{ $at }}tls.clientCa: true or {{ $at }}settings.UNSAFE_LISTEN: true
{{- end }}
{{- $ports := dict "LISTEN" (include "isales-auth-proxy.port" $listen) "ADMIN_LISTEN" (include "isales-auth-proxy.port" $admin) }}
{{- range $name := list "ISALES_URL" "HTTPS_PROXY" "SESSION_STORE_URL" }}
{{- with get $settings $name }}{{ $_ := set $ports $name (include "isales-auth-proxy.urlPort" .) }}{{ end }}
{{- end }}
{{- range $name, $port := $ports }}
{{- if or (lt (int $port) 1) (gt (int $port) 65535) }}
{{ $at }}settings.{{ $name }} is {{ get $settings $name }}: a port is 1 to 65535
{{- end }}
{{- end }}
{{- if eq $ports.LISTEN $ports.ADMIN_LISTEN }}
{{ $at }}settings.LISTEN ({{ $listen }}) and {{ $at }}settings.ADMIN_LISTEN ({{ $admin }}) use the same port: set different ones
{{- end }}

{{- /* Numbers with a unit: the schema checks their syntax. */}}
{{- range $name, $range := .Files.Get "files/settings.json" | fromJson }}
{{- $text := get $settings $name }}
{{- if regexMatch "^-?[0-9.]+[A-Za-z]*$" $text }}
{{- $unit := regexFind "[A-Za-z]*$" $text }}
{{- $number := mulf (trimSuffix $unit $text | float64) (get $range.units $unit) }}
{{- if or (lt $number $range.min) (gt $number $range.max) }}
{{ $at }}settings.{{ $name }} is {{ $text }}: it must be {{ $range.limits }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Secrets and extraEnv. */}}
{{- range $name := list "ISALES_PASSWORD" "OBS_PASSWORD" }}
{{- if hasKey ($.Values.settings | default dict) $name }}
{{ $at }}settings.{{ $name }} is a secret, which would be readable in the manifest: put it into the Secret, under the key that {{ $at }}secret.keys.{{ ternary "obsPassword" "password" (eq $name "OBS_PASSWORD") }} names
{{- end }}
{{- end }}
{{- $seen := dict }}
{{- range .Values.extraEnv }}
{{- if hasKey $settings .name }}
{{ $at }}extraEnv names {{ .name }}, which the chart sets: set {{ $at }}settings.{{ .name }} instead
{{- else if hasKey $seen .name }}
{{ $at }}extraEnv names {{ .name }} twice
{{- end }}
{{- if and (eq (lower .name) "https_proxy") $standalone $.Values.networkPolicy.enabled (not $.Values.networkPolicy.extraEgress) }}
{{ $at }}networkPolicy.extraEgress is required: allow traffic to the proxy whose address {{ $at }}extraEnv takes from a Secret
{{- end }}
{{- $_ := set $seen .name true }}
{{- end }}
{{- range $name := concat (keys $settings) (keys $seen) | uniq | sortAlpha }}
{{- if hasKey $settings (printf "%s_FILE" $name) }}
{{ $at }}{{ $name }} and {{ $name }}_FILE are both set, but the program accepts one: remove {{ $name }}, and put its value into the Secret
{{- end }}
{{- end }}

{{- range $name, $_ := .Values.prometheusRule.alerts }}
{{- if not (contains (printf "\n      - alert: %s\n" $name) ($.Files.Get "files/alerts.yaml")) }}
{{ $at }}prometheusRule.alerts.{{ $name }}: there is no such alert in files/alerts.yaml
{{- end }}
{{- end }}
{{- end -}}
