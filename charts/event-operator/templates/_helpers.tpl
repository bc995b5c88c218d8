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

{{/* The full name of the workload identity provider, where the cluster is not GKE; else nothing. */}}
{{- define "event-operator.provider" -}}
{{- $identity := default dict .Values.config.identity -}}
{{- if eq (default "gke" $identity.mode) "federation" -}}
{{- $number := default .Values.config.projectNumber $identity.poolProjectNumber -}}
{{- if not $number -}}
{{- fail "config.identity.poolProjectNumber is not set: with mode federation it is a part of the provider's name" -}}
{{- end -}}
//iam.googleapis.com/projects/{{ int64 $number }}/locations/global/workloadIdentityPools/{{ $identity.pool }}/providers/{{ $identity.provider }}
{{- end -}}
{{- end -}}

{{- define "event-operator.serviceAccount" -}}
{{- default (include "event-operator.name" .) .Values.serviceAccount.name -}}
{{- end -}}
