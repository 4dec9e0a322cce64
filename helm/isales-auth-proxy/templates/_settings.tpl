{{/* A value of YAML as text; Helm would print 1000000 as 1e+06. */}}
{{- define "isales-auth-proxy.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}{{ int64 . }}{{- else -}}{{ . | toString }}{{- end -}}
{{- end -}}

{{/* Whether no more than one proxy ever runs, but for the moments of an update. */}}
{{- define "isales-auth-proxy.single" -}}
{{- and (eq (include "isales-auth-proxy.mode" .) "standalone") (not .Values.autoscaling.enabled) (eq (.Values.standalone.replicas | toString) "1") -}}
{{- end -}}

{{/* Every setting as a YAML map of strings: what the mode calls for, then what the user says. */}}
{{- define "isales-auth-proxy.settings" -}}
{{- /* So many requests at once, each with its 64 KiB, fit into the default memory limit; the program's own default does not. */ -}}
{{- $given := .Values.settings -}}
{{- $standalone := eq (include "isales-auth-proxy.mode" .) "standalone" -}}
{{- $env := dict "ADMIN_LISTEN" ":9090" "MAX_IN_FLIGHT" "256" "STATE_DIR" "/run/isales/state/proxy" -}}
{{- /* Replicas that do not share do not know of each other's attempts with a wrong password. */ -}}
{{- if .Values.sessionStore.secretName -}}
  {{- $_ := set $env "LOGIN_REJECTED_ATTEMPTS" "3" -}}
{{- else if ne (include "isales-auth-proxy.single" .) "true" -}}
  {{- $_ := set $env "LOGIN_REJECTED_ATTEMPTS" "1" -}}
{{- end -}}
{{- if .Values.secret.name -}}
  {{- if not $given.ISALES_USER -}}{{- $_ := set $env "ISALES_USER_FILE" "/run/isales/credentials/user" -}}{{- end -}}
  {{- $_ := set $env "ISALES_PASSWORD_FILE" "/run/isales/credentials/password" -}}
{{- end -}}
{{- if $standalone -}}
  {{- $_ := set $env "LISTEN" ":8443" -}}
  {{- $_ := set $env "DRAIN_DELAY" "5s" -}}
  {{- $name := include "isales-auth-proxy.fullname" . -}}
  {{- /* A Service by each of its names. */ -}}
  {{- $names := "%[1]s,%[1]s.%[2]s,%[1]s.%[2]s.svc,%[1]s.%[2]s.svc.cluster.local" -}}
  {{- $admin := printf $names (printf "%s-admin" $name) .Release.Namespace -}}
  {{- $own := list (printf $names $name .Release.Namespace) $admin -}}
  {{- $_ := set $env "ALLOWED_HOSTS" (concat $own .Values.standalone.service.hosts | join ",") -}}
{{- else if not .Values.sidecar.native -}}
  {{- /* An ordinary container is stopped together with CTI-OBS, which still has calls to end. */ -}}
  {{- $_ := set $env "DRAIN_DELAY" "10s" -}}
{{- end -}}
{{- /* An annotation of the pod may replace it. */ -}}
{{- if .Values.injection.enabled -}}{{- $_ := set $env "LOG_LEVEL" "info" -}}{{- end -}}
{{- if .Values.tls.secretName -}}
  {{- $_ := set $env "LISTEN_TLS_CERT_FILE" "/run/isales/tls/tls.crt" -}}
  {{- $_ := set $env "LISTEN_TLS_KEY_FILE" "/run/isales/tls/tls.key" -}}
  {{- if .Values.tls.clientCa -}}{{- $_ := set $env "LISTEN_CLIENT_CA_FILE" "/run/isales/tls/ca.crt" -}}{{- end -}}
{{- end -}}
{{- if .Values.isalesCa.configMapName -}}{{- $_ := set $env "ISALES_CA_FILE" "/run/isales/ca/ca.crt" -}}{{- end -}}
{{- if .Values.isalesClientCert.secretName -}}
  {{- $_ := set $env "ISALES_CLIENT_CERT_FILE" "/run/isales/client/tls.crt" -}}
  {{- $_ := set $env "ISALES_CLIENT_KEY_FILE" "/run/isales/client/tls.key" -}}
{{- end -}}
{{- with .Values.sessionStore -}}
  {{- if .secretName -}}
    {{- $_ := set $env "SESSION_STORE_KEY_FILE" "/run/isales/store/key" -}}
    {{- if .keys.password -}}{{- $_ := set $env "SESSION_STORE_PASSWORD_FILE" "/run/isales/store/password" -}}{{- end -}}
  {{- end -}}
  {{- if .ca.configMapName -}}{{- $_ := set $env "SESSION_STORE_CA_FILE" "/run/isales/store-ca/ca.crt" -}}{{- end -}}
{{- end -}}
{{- range $name, $value := $given -}}
  {{- /* null takes a value of another file away. */ -}}
  {{- if not (kindIs "invalid" $value) -}}{{- $_ := set $env $name (include "isales-auth-proxy.text" $value) -}}{{- end -}}
{{- end -}}
{{- /* A stand-alone proxy demands a login; a sidecar does so where the user of CTI-OBS is named. */ -}}
{{- $keys := .Values.secret.keys -}}
{{- $named := or (hasKey $env "OBS_USER") (hasKey $env "OBS_USER_FILE") -}}
{{- if and .Values.secret.name $keys.obsPassword (or $standalone $named) -}}
  {{- if not $named -}}{{- $_ := set $env "OBS_USER_FILE" "/run/isales/credentials/obs-user" -}}{{- end -}}
  {{- if not (hasKey $env "OBS_PASSWORD_FILE") -}}{{- $_ := set $env "OBS_PASSWORD_FILE" "/run/isales/credentials/obs-password" -}}{{- end -}}
{{- end -}}
{{- toYaml $env -}}
{{- end -}}
