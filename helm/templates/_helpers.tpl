{{- define "aftermerge.name" -}}
{{- printf "%s-aftermerge" .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "aftermerge.selector" -}}
app.kubernetes.io/name: aftermerge
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "aftermerge.labels" -}}
{{ include "aftermerge.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "aftermerge.scheme" -}}
{{- if .Values.tls.existingSecret }}https{{ else }}http{{ end }}
{{- end -}}
