{{/* The container, the same in every mode. */}}
{{- define "isales-auth-proxy.container" -}}
{{- $settings := include "isales-auth-proxy.settings" . | fromYaml -}}
{{- $standalone := eq (include "isales-auth-proxy.mode" .) "standalone" -}}
name: isales-auth-proxy
image: {{ include "isales-auth-proxy.image" . | quote }}
imagePullPolicy: IfNotPresent
{{- if not $standalone }}
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
# Both ports, although a sidecar's is on loopback: the guard of injection compares them with other containers' ports.
ports:
  - name: isales-proxy
    containerPort: {{ include "isales-auth-proxy.port" ($settings.LISTEN | default "127.0.0.1:8080") }}
    protocol: TCP
  - name: isales-admin
    containerPort: {{ include "isales-auth-proxy.port" $settings.ADMIN_LISTEN }}
    protocol: TCP
# The probes ask the admin port: a sidecar listens for CTI-OBS on the pod's loopback, which kubelet cannot reach.
# A native sidecar delays the following containers by up to one period of the startup probe.
startupProbe:
  httpGet: { path: /startupz, port: isales-admin }
  periodSeconds: 1
  failureThreshold: 60
# A proxy that hangs cannot finish its calls, so it does not get the pod's grace period.
livenessProbe:
  httpGet: { path: /livez, port: isales-admin }
  # A sidecar that hangs stops the calls of its pod: kubelet kills it within 10 s. Another replica takes the calls of a
  # stand-alone proxy.
  periodSeconds: {{ ternary 10 2 $standalone }}
  timeoutSeconds: 2
  failureThreshold: 3
  terminationGracePeriodSeconds: 1
{{- if or $standalone .Values.sidecar.readiness }}
readinessProbe:
  httpGet: { path: /readyz, port: isales-admin }
  periodSeconds: 2
  timeoutSeconds: 1
  failureThreshold: 2
{{- end }}
{{- include "isales-auth-proxy.fields" (dict "resources" .Values.resources "securityContext" .Values.containerSecurityContext) }}
# Whole directories, no subPath: a subPath never sees a rotated Secret.
{{- with include "isales-auth-proxy.mounts" . | trim }}
volumeMounts:
  {{- . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Mounts of the chart's own volumes, at paths that follow from their names: `isales-tls` at /run/isales/tls. */}}
{{- define "isales-auth-proxy.mounts" -}}
{{- range include "isales-auth-proxy.ownVolumes" . | fromYamlArray }}
- name: {{ .name }}
  mountPath: /run/isales/{{ trimPrefix "isales-" .name }}
  {{- if ne .name "isales-state" }}
  readOnly: true
  {{- end }}
{{- end }}
{{- if ne (include "isales-auth-proxy.mode" .) "standalone" }}
# An empty directory instead of the pod's service account token, which only the containers of CTI-OBS need.
- name: isales-no-token
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* All volumes for these mounts. */}}
{{- define "isales-auth-proxy.podVolumes" -}}
{{- include "isales-auth-proxy.ownVolumes" . -}}
{{- if ne (include "isales-auth-proxy.mode" .) "standalone" }}
- name: isales-no-token
  emptyDir:
    sizeLimit: 1Mi
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "isales-auth-proxy.ownVolumes" -}}
{{- $settings := include "isales-auth-proxy.settings" . | fromYaml -}}
{{- $keys := .Values.secret.keys -}}
{{- $store := .Values.sessionStore -}}
{{- /* In somebody else's pod there is no fsGroup to read by; in our own there is, unless it was taken away. */ -}}
{{- $ours := and (eq (include "isales-auth-proxy.mode" .) "standalone") (get (.Values.podSecurityContext | default dict) "fsGroup") -}}
{{- $fileMode := ternary "0440" "0444" (not (empty $ours)) -}}
{{- if eq ($settings.STATE_DIR | default "") "/run/isales/state/proxy" }}
- name: isales-state
  emptyDir:
    # Memory outlives the container, and no slow disk of the node delays the record of a login.
    medium: Memory
    sizeLimit: 1Mi
{{- end }}
{{- /* A key is mounted when the setting of its file names this place. */ -}}
{{- $files := dict "credentials/user" $keys.user "credentials/password" $keys.password "credentials/obs-user" $keys.obsUser "credentials/obs-password" $keys.obsPassword "store/key" $store.keys.key "store/password" $store.keys.password -}}
{{- range $volume, $secret := dict "credentials" .Values.secret.name "store" $store.secretName }}
{{- if $secret }}
- name: isales-{{ $volume }}
  secret:
    secretName: {{ $secret | quote }}
    defaultMode: {{ $fileMode }}
    items:
      {{- range $file, $key := $files }}
      {{- if and (hasPrefix $volume $file) (has (printf "/run/isales/%s" $file) (values $settings)) }}
      - { key: {{ $key | quote }}, path: {{ base $file }} }
      {{- end }}
      {{- end }}
{{- end }}
{{- end }}
{{- range $volume, $from := dict "tls" .Values.tls "client" .Values.isalesClientCert }}
{{- if $from.secretName }}
- name: isales-{{ $volume }}
  secret:
    secretName: {{ $from.secretName | quote }}
    defaultMode: {{ $fileMode }}
{{- end }}
{{- end }}
{{- range $volume, $from := dict "ca" .Values.isalesCa "store-ca" $store.ca }}
{{- if $from.configMapName }}
- name: isales-{{ $volume }}
  configMap:
    name: {{ $from.configMapName | quote }}
{{- end }}
{{- end }}
{{- end -}}
