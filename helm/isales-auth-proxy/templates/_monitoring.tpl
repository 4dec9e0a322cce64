{{/* What a monitor scrapes. Takes the values of the monitor. */}}
{{- define "isales-auth-proxy.endpoint" -}}
port: isales-admin
path: /metrics
interval: {{ .interval }}
{{- with .scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
# The alerts know the proxies by this name of the job.
relabelings:
  - targetLabel: job
    replacement: isales-auth-proxy
  {{- with .relabelings }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}
