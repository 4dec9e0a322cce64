{{/* The container, the same in every mode. */}}
{{- define "isales-auth-proxy.container" -}}
{{- $settings := include "isales-auth-proxy.settings" . | fromYaml -}}
{{- $standalone := eq (include "isales-auth-proxy.mode" .) "standalone" -}}
name: isales-auth-proxy
image: {{ include "isales-auth-proxy.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- if and (not $standalone) .Values.sidecar.native }}
restartPolicy: Always
{{- end }}
env:
  {{- range $name, $value := $settings }}
  - name: {{ $name }}
    value: {{ $value | quote }}
  {{- end }}
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
ports:
  {{- if $standalone }}
  - name: isales-proxy
    containerPort: {{ include "isales-auth-proxy.port" $settings.LISTEN }}
    protocol: TCP
  {{- end }}
  - name: isales-admin
    containerPort: {{ include "isales-auth-proxy.port" $settings.ADMIN_LISTEN }}
    protocol: TCP
# The probes ask the admin port: a sidecar listens for CTI-OBS on the pod's loopback, which kubelet cannot reach.
startupProbe:
  httpGet:
    path: /startupz
    port: isales-admin
  {{- with .Values.startupProbe }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
livenessProbe:
  httpGet:
    path: /livez
    port: isales-admin
  {{- with .Values.livenessProbe }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- if or $standalone .Values.sidecar.readiness }}
readinessProbe:
  httpGet:
    path: /readyz
    port: isales-admin
  {{- with .Values.readinessProbe }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
resources:
  {{- toYaml .Values.resources | nindent 2 }}
{{- with .Values.containerSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
# Whole directories, no subPath: a subPath never sees a rotated Secret.
{{- with include "isales-auth-proxy.mounts" . | trim }}
volumeMounts:
  {{- . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Whether the state directory is the chart's own volume. */}}
{{- define "isales-auth-proxy.ownState" -}}
{{- $settings := include "isales-auth-proxy.settings" . | fromYaml -}}
{{- if eq ($settings.STATE_DIR | default "") "/run/isales/state" -}}true{{- end -}}
{{- end -}}

{{- define "isales-auth-proxy.mounts" -}}
{{- if include "isales-auth-proxy.ownState" . }}
- name: isales-state
  mountPath: /run/isales/state
{{- end }}
{{- if .Values.secret.name }}
- name: isales-credentials
  mountPath: /run/isales/credentials
  readOnly: true
{{- end }}
{{- if .Values.tls.secretName }}
- name: isales-tls
  mountPath: /run/isales/tls
  readOnly: true
{{- end }}
{{- if .Values.isalesCa.configMapName }}
- name: isales-ca
  mountPath: /run/isales/ca
  readOnly: true
{{- end }}
{{- if .Values.isalesClientCert.secretName }}
- name: isales-client
  mountPath: /run/isales/client
  readOnly: true
{{- end }}
{{- if .Values.sessionStore.secretName }}
- name: isales-store
  mountPath: /run/isales/store
  readOnly: true
{{- end }}
{{- if .Values.sessionStore.ca.configMapName }}
- name: isales-store-ca
  mountPath: /run/isales/store-ca
  readOnly: true
{{- end }}
{{- if .Values.sessionStore.clientCert.secretName }}
- name: isales-store-client
  mountPath: /run/isales/store-client
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The volumes that those mounts need. */}}
{{- define "isales-auth-proxy.ownVolumes" -}}
{{- $settings := include "isales-auth-proxy.settings" . | fromYaml -}}
{{- $standalone := eq (include "isales-auth-proxy.mode" .) "standalone" -}}
{{- /* In somebody else's pod there is no fsGroup to read by; in our own there is, unless it was taken away. */ -}}
{{- $group := get (.Values.podSecurityContext | default dict) "fsGroup" -}}
{{- $fileMode := ternary "0440" "0444" (and $standalone (not (empty $group))) -}}
{{- $keys := .Values.secret.keys -}}
{{- if include "isales-auth-proxy.ownState" . }}
- name: isales-state
  emptyDir:
    sizeLimit: 1Mi
{{- end }}
{{- if .Values.secret.name }}
- name: isales-credentials
  secret:
    secretName: {{ .Values.secret.name }}
    defaultMode: {{ $fileMode }}
    items:
      {{- if $settings.ISALES_USER_FILE }}
      - { key: {{ $keys.user }}, path: user }
      {{- end }}
      - { key: {{ $keys.password }}, path: password }
      {{- if eq ($settings.OBS_USER_FILE | default "") "/run/isales/credentials/obs-user" }}
      - { key: {{ $keys.obsUser }}, path: obs-user }
      {{- end }}
      {{- if eq ($settings.OBS_PASSWORD_FILE | default "") "/run/isales/credentials/obs-password" }}
      - { key: {{ $keys.obsPassword }}, path: obs-password }
      {{- end }}
      {{- if eq ($settings.OBS_TICKET_KEY_FILE | default "") "/run/isales/credentials/obs-ticket-key" }}
      - { key: {{ $keys.obsTicketKey }}, path: obs-ticket-key }
      {{- end }}
{{- end }}
{{- if .Values.tls.secretName }}
- name: isales-tls
  secret:
    secretName: {{ .Values.tls.secretName }}
    defaultMode: {{ $fileMode }}
{{- end }}
{{- if .Values.isalesCa.configMapName }}
- name: isales-ca
  configMap:
    name: {{ .Values.isalesCa.configMapName }}
    items:
      - { key: {{ .Values.isalesCa.key }}, path: ca.crt }
{{- end }}
{{- if .Values.isalesClientCert.secretName }}
- name: isales-client
  secret:
    secretName: {{ .Values.isalesClientCert.secretName }}
    defaultMode: {{ $fileMode }}
{{- end }}
{{- with .Values.sessionStore }}
{{- if .secretName }}
- name: isales-store
  secret:
    secretName: {{ .secretName }}
    defaultMode: {{ $fileMode }}
    items:
      - { key: {{ .keys.key }}, path: key }
      {{- with .keys.password }}
      - { key: {{ . }}, path: password }
      {{- end }}
      {{- with .keys.url }}
      - { key: {{ . }}, path: url }
      {{- end }}
      {{- with .keys.sentinelPassword }}
      - { key: {{ . }}, path: sentinel-password }
      {{- end }}
{{- end }}
{{- if .ca.configMapName }}
- name: isales-store-ca
  configMap:
    name: {{ .ca.configMapName }}
    items:
      - { key: {{ .ca.key }}, path: ca.crt }
{{- end }}
{{- if .clientCert.secretName }}
- name: isales-store-client
  secret:
    secretName: {{ .clientCert.secretName }}
    defaultMode: {{ $fileMode }}
{{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
