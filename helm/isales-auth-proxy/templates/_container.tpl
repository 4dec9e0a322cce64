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
    {{- /* Kubelet expands $(NAME). */}}
    value: {{ $value | replace "$" "$$" | quote }}
  {{- end }}
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
# Both, although that of a sidecar is on loopback: the guard of injection compares them with those of the other containers.
ports:
  - name: isales-proxy
    containerPort: {{ include "isales-auth-proxy.port" ($settings.LISTEN | default "127.0.0.1:8080") }}
    protocol: TCP
  - name: isales-admin
    containerPort: {{ include "isales-auth-proxy.port" $settings.ADMIN_LISTEN }}
    protocol: TCP
# The probes ask the admin port: a sidecar listens for CTI-OBS on the pod's loopback, which kubelet cannot reach.
{{- range $probe, $path := dict "startupProbe" "/startupz" "livenessProbe" "/livez" "readinessProbe" "/readyz" }}
{{- if or $standalone $.Values.sidecar.readiness (ne $probe "readinessProbe") }}
{{ $probe }}:
  httpGet:
    path: {{ $path }}
    port: isales-admin
  {{- with get $.Values $probe }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
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

{{/* Each volume of the chart's own, at the place of its name: `isales-tls` at /run/isales/tls. */}}
{{- define "isales-auth-proxy.mounts" -}}
{{- range include "isales-auth-proxy.ownVolumes" . | fromYamlArray }}
- name: {{ .name }}
  mountPath: /run/isales/{{ trimPrefix "isales-" .name }}
  {{- if ne .name "isales-state" }}
  readOnly: true
  {{- end }}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Every volume that those mounts need. */}}
{{- define "isales-auth-proxy.podVolumes" -}}
{{- include "isales-auth-proxy.ownVolumes" . -}}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "isales-auth-proxy.ownVolumes" -}}
{{- $settings := include "isales-auth-proxy.settings" . | fromYaml -}}
{{- $standalone := eq (include "isales-auth-proxy.mode" .) "standalone" -}}
{{- /* In somebody else's pod there is no fsGroup to read by; in our own there is, unless it was taken away. */ -}}
{{- $group := get (.Values.podSecurityContext | default dict) "fsGroup" -}}
{{- $fileMode := ternary "0440" "0444" (and $standalone (not (empty $group))) -}}
{{- $store := .Values.sessionStore -}}
{{- if eq ($settings.STATE_DIR | default "") "/run/isales/state/proxy" }}
- name: isales-state
  {{- with .Values.state.persistentVolumeClaim }}
  persistentVolumeClaim:
    claimName: {{ . }}
  {{- else }}
  emptyDir:
    sizeLimit: 1Mi
  {{- end }}
{{- end }}
{{- with .Values.secret }}
{{- if .name }}
- name: isales-credentials
  secret:
    secretName: {{ .name }}
    defaultMode: {{ $fileMode }}
    items:
      {{- /* A key is mounted when the setting of its file names this place. */}}
      {{- range $file, $key := dict "user" .keys.user "password" .keys.password "obs-user" .keys.obsUser "obs-password" .keys.obsPassword }}
      {{- if has (printf "/run/isales/credentials/%s" $file) (values $settings) }}
      - { key: {{ $key }}, path: {{ $file }} }
      {{- end }}
      {{- end }}
{{- end }}
{{- end }}
{{- if $store.secretName }}
- name: isales-store
  secret:
    secretName: {{ $store.secretName }}
    defaultMode: {{ $fileMode }}
    items:
      {{- range $file, $key := dict "key" $store.keys.key "password" $store.keys.password }}
      {{- with $key }}
      - { key: {{ . }}, path: {{ $file }} }
      {{- end }}
      {{- end }}
{{- end }}
{{- range $name, $from := dict "tls" .Values.tls "client" .Values.isalesClientCert }}
{{- if $from.secretName }}
- name: isales-{{ $name }}
  secret:
    secretName: {{ $from.secretName }}
    defaultMode: {{ $fileMode }}
{{- end }}
{{- end }}
{{- range $name, $from := dict "ca" .Values.isalesCa "store-ca" $store.ca }}
{{- if $from.configMapName }}
- name: isales-{{ $name }}
  configMap:
    name: {{ $from.configMapName }}
    items:
      - { key: {{ $from.key }}, path: ca.crt }
{{- end }}
{{- end }}
{{- end -}}
