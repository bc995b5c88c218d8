{{- define "event-operator.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 53 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "event-operator.selector" -}}
app.kubernetes.io/name: event-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "event-operator.labels" -}}
{{ include "event-operator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "event-operator.serviceAccount" -}}
{{- default (include "event-operator.name" .) .Values.serviceAccount.name -}}
{{- end -}}
