{{/*
What the schema cannot say: each sentence names the value by the path that the user knows it by, and what to say instead.
The sentence that explains the others comes first.
*/}}
{{- define "isales-auth-proxy.validate" -}}
{{- $path := include "isales-auth-proxy.path" (dict "root" . "value" "") -}}
{{- $mode := include "isales-auth-proxy.mode" . -}}
{{- $standalone := eq $mode "standalone" -}}
{{- $given := .Values.settings -}}
{{- if .Values.injection.enabled -}}
  {{- $version := .Capabilities.KubeVersion.Version -}}
  {{- if semverCompare "<1.34.0-0" $version -}}
    {{- fail (printf "injection.enabled needs Kubernetes 1.34 with the beta of MutatingAdmissionPolicy switched on, or 1.36, and this is %s" $version) -}}
  {{- else if ne $mode "sidecar" -}}
    {{- fail "injection.enabled adds sidecars to pods: say mode=sidecar" -}}
  {{- else if not .Values.sidecar.native -}}
    {{- fail "injection.enabled adds native sidecars: say sidecar.native=true" -}}
  {{- else if not .Values.secret.name -}}
    {{- fail "injection.enabled needs secret.name: the Secret of pods that name none by an annotation" -}}
  {{- else if .Values.state.persistentVolumeClaim -}}
    {{- fail "state.persistentVolumeClaim is for one proxy, and injection.enabled makes one for each pod: leave it out; sessionStore keeps what they share" -}}
  {{- end -}}
{{- end -}}
{{- $keys := dict "ISALES_PASSWORD" "secret.keys.password" "OBS_PASSWORD" "secret.keys.obsPassword" -}}
{{- range $name, $key := $keys -}}
  {{- if hasKey $given $name -}}
    {{- fail (printf "%ssettings.%s is a secret, which everybody would read in the manifest: put it into the Secret, under the key that %s%s names" $path $name $path $key) -}}
  {{- end -}}
{{- end -}}
{{- $_ := required (printf "%ssettings.ISALES_URL is required: where iSales is, for example https://isales.example" $path) $given.ISALES_URL -}}
{{- if and (regexMatch "(?i)^http:" $given.ISALES_URL) (not (regexMatch "(?i)^http://(127[.]|localhost[:/]|localhost$|\\[::1\\])" $given.ISALES_URL)) (ne ($given.ISALES_ALLOW_HTTP | toString) "true") -}}
  {{- fail (printf "%ssettings.ISALES_URL is %s: the password would cross the network in the clear; say https, or settings.ISALES_ALLOW_HTTP: true on a network where nobody listens" $path $given.ISALES_URL) -}}
{{- end -}}
{{- if not .Values.secret.name -}}
  {{- $_ := required (printf "%ssecret.name is required: the Secret with the iSales user and password" $path) $given.ISALES_PASSWORD_FILE -}}
{{- end -}}
{{- if and $standalone (not .Values.tls.secretName) (not $given.LISTEN_TLS_CERT_FILE) (ne ($given.UNSAFE_LISTEN | toString) "true") -}}
  {{- fail (printf "%stls.secretName is required: CTI-OBS sends its password over the network (or say settings.UNSAFE_LISTEN: true)" $path) -}}
{{- end -}}
{{- if and .Values.sessionStore.secretName (not $given.SESSION_STORE_URL) -}}
  {{- fail (printf "%ssettings.SESSION_STORE_URL is required with sessionStore.secretName: where the shared store is" $path) -}}
{{- else if and $given.SESSION_STORE_URL (not .Values.sessionStore.secretName) (not $given.SESSION_STORE_KEY_FILE) -}}
  {{- fail (printf "%ssessionStore.secretName is required with settings.SESSION_STORE_URL: the Secret with the key that seals the token" $path) -}}
{{- end -}}
{{- $settings := include "isales-auth-proxy.settings" . | fromYaml -}}
{{- include "isales-auth-proxy.validateRanges" (dict "root" . "settings" $settings) -}}
{{- $listen := $settings.LISTEN | default "127.0.0.1:8080" -}}
{{- $loopback := "^(127[.]|localhost:|\\[::1\\]:)" -}}
{{- if regexMatch $loopback $settings.ADMIN_LISTEN -}}
  {{- fail (printf "%ssettings.ADMIN_LISTEN is %s: neither kubelet's probes nor Prometheus reach the loopback of a pod; say \":9090\"" $path $settings.ADMIN_LISTEN) -}}
{{- else if and $standalone (regexMatch $loopback $listen) -}}
  {{- fail (printf "%ssettings.LISTEN is %s: the Service does not reach the loopback of a pod; say \":8443\"" $path $listen) -}}
{{- else if eq (include "isales-auth-proxy.port" $listen) (include "isales-auth-proxy.port" $settings.ADMIN_LISTEN) -}}
  {{- fail (printf "%ssettings.LISTEN (%s) and settings.ADMIN_LISTEN (%s) have one port: give them different ones" $path $listen $settings.ADMIN_LISTEN) -}}
{{- end -}}
{{- $open := not (or $settings.OBS_PASSWORD_FILE $settings.LISTEN_CLIENT_CA_FILE (eq ($given.UNSAFE_LISTEN | toString) "true")) -}}
{{- if and $open (not (regexMatch $loopback $listen)) -}}
  {{- fail (printf "%ssettings.LISTEN is %s, and CTI-OBS need not log in: whoever reaches it would call iSales; say settings.OBS_USER, tls.clientCa: true or settings.UNSAFE_LISTEN: true" $path $listen) -}}
{{- end -}}
{{- if and .Values.state.persistentVolumeClaim $standalone (not (and (eq (include "isales-auth-proxy.single" .) "true") (eq .Values.standalone.strategy "Recreate"))) -}}
  {{- fail (printf "%sstate.persistentVolumeClaim is for one proxy at a time: say standalone.replicas=1 and standalone.strategy=Recreate; replicas share through sessionStore" $path) -}}
{{- end -}}
{{- $seen := dict -}}
{{- range .Values.extraEnv -}}
  {{- if hasKey $settings .name -}}
    {{- fail (printf "%sextraEnv names %s, which the chart sets: say settings.%s instead" $path .name .name) -}}
  {{- else if hasKey $seen .name -}}
    {{- fail (printf "%sextraEnv names %s twice" $path .name) -}}
  {{- end -}}
  {{- $_ := set $seen .name true -}}
{{- end -}}
{{- range $name := concat (keys $settings) (keys $seen) | sortAlpha -}}
  {{- if hasKey $settings (printf "%s_FILE" $name) -}}
    {{- fail (printf "%s%s and %s_FILE are both set, and the program takes one: leave %s out, and put its value into the Secret" $path $name $name $name) -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* The schema checks how a value is written; a number with a unit is compared here. Takes a dict: `root`, `settings`. */}}
{{- define "isales-auth-proxy.validateRanges" -}}
{{- $outside := list -}}
{{- range $name, $range := .root.Files.Get "files/settings.json" | fromJson -}}
  {{- $text := get $.settings $name -}}
  {{- if regexMatch "^[0-9.]+[A-Za-z]*$" $text -}}
    {{- $unit := regexFind "[A-Za-z]*$" $text -}}
    {{- $number := mulf (trimSuffix $unit $text | float64) (get $range.units $unit) -}}
    {{- if and (or (lt $number $range.min) (gt $number $range.max)) (not (and $range.zero (eq $number 0.0))) -}}
      {{- $outside = append $outside (printf "%s is %s: it has to be %s" (include "isales-auth-proxy.path" (dict "root" $.root "value" (printf "settings.%s" $name))) $text $range.limits) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- if $outside -}}{{- fail (join "\n" $outside) -}}{{- end -}}
{{- end -}}

