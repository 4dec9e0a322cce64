{{/* A value of YAML as text; Helm would print 1000000 as 1e+06. */}}
{{- define "isales-auth-proxy.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}{{ int64 . }}{{- else -}}{{ . | toString }}{{- end -}}
{{- end -}}

{{/* A quantity such as "192Mi" or 0.5, as a number. */}}
{{- define "isales-auth-proxy.quantity" -}}
{{- $text := include "isales-auth-proxy.text" . -}}
{{- $unit := regexFind "([KMGTPE]i|[numkMGTPE])$" $text -}}
{{- $powers := dict "n" 1e-9 "u" 1e-6 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "Pi" 1125899906842624.0 "Ei" 1152921504606846976.0 -}}
{{- mulf (trimSuffix $unit $text | float64) (get $powers $unit | default 1.0) | printf "%f" -}}
{{- end -}}

{{/* True if at most one proxy runs, except during an update. */}}
{{- define "isales-auth-proxy.single" -}}
{{- and (eq (include "isales-auth-proxy.mode" .) "standalone") (eq (.Values.standalone.replicas | toString) "1") -}}
{{- end -}}

{{/* Every setting as a YAML map of strings: first the values' own settings, then the user's. */}}
{{- define "isales-auth-proxy.settings" -}}
{{- $env := include "isales-auth-proxy.defaults" . | fromYaml -}}
{{- range $name, $value := .Values.settings -}}
  {{- /* null takes a value of another file away. */ -}}
  {{- if not (kindIs "invalid" $value) -}}{{- $_ := set $env $name (include "isales-auth-proxy.text" $value) -}}{{- end -}}
{{- end -}}
{{- toYaml $env -}}
{{- end -}}

{{- define "isales-auth-proxy.defaults" -}}
{{- $given := .Values.settings | default dict -}}
{{- $standalone := eq (include "isales-auth-proxy.mode" .) "standalone" -}}
{{- $store := .Values.sessionStore -}}
ADMIN_LISTEN: ':9090'
# Calls with 64 KiB each that fit into the default memory limit; the program's default does not.
MAX_IN_FLIGHT: '256'
STATE_DIR: /run/isales/state/proxy
{{- if $standalone }}
LISTEN: ':8443'
DRAIN_DELAY: 5s
# All names of all Services.
{{- $name := include "isales-auth-proxy.fullname" . }}
{{- $names := "%[1]s,%[1]s.%[2]s,%[1]s.%[2]s.svc,%[1]s.%[2]s.svc.cluster.local" }}
{{- $own := list (printf $names $name .Release.Namespace) (printf $names (printf "%s-admin" $name) .Release.Namespace) }}
ALLOWED_HOSTS: {{ concat $own (.Values.standalone.service.hosts | default list) | join "," | quote }}
{{- end }}
{{- if .Values.injection.enabled }}
# An annotation of the pod may replace it.
LOG_LEVEL: info
{{- end }}
{{- if $store.secretName }}
LOGIN_REJECTED_ATTEMPTS: '3'
SESSION_STORE_KEY_FILE: /run/isales/store/key
{{- if $store.keys.password }}
SESSION_STORE_PASSWORD_FILE: /run/isales/store/password
{{- end }}
{{- else if ne (include "isales-auth-proxy.single" .) "true" }}
# Replicas that do not share a token do not know of each other's attempts with a wrong password.
LOGIN_REJECTED_ATTEMPTS: '1'
{{- end }}
{{- if $store.ca.configMapName }}
SESSION_STORE_CA_FILE: {{ printf "/run/isales/store-ca/%s" $store.ca.key | quote }}
{{- end }}
{{- if .Values.secret.name }}
{{- if not $given.ISALES_USER }}
ISALES_USER_FILE: /run/isales/credentials/user
{{- end }}
ISALES_PASSWORD_FILE: /run/isales/credentials/password
{{- /* A stand-alone proxy demands a login; a sidecar does so where the user of CTI-OBS is named. */}}
{{- $named := or $given.OBS_USER $given.OBS_USER_FILE }}
{{- if and .Values.secret.keys.obsPassword (or $standalone $named) }}
{{- if not $named }}
OBS_USER_FILE: /run/isales/credentials/obs-user
{{- end }}
OBS_PASSWORD_FILE: /run/isales/credentials/obs-password
{{- end }}
{{- end }}
{{- if .Values.tls.secretName }}
LISTEN_TLS_CERT_FILE: /run/isales/tls/tls.crt
LISTEN_TLS_KEY_FILE: /run/isales/tls/tls.key
{{- if .Values.tls.clientCa }}
LISTEN_CLIENT_CA_FILE: /run/isales/tls/ca.crt
{{- end }}
{{- end }}
{{- if .Values.isalesCa.configMapName }}
ISALES_CA_FILE: {{ printf "/run/isales/ca/%s" .Values.isalesCa.key | quote }}
{{- end }}
{{- if .Values.isalesClientCert.secretName }}
ISALES_CLIENT_CERT_FILE: /run/isales/client/tls.crt
ISALES_CLIENT_KEY_FILE: /run/isales/client/tls.key
{{- end }}
{{- end -}}
