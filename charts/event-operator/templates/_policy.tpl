{{/* What the policies have in common. */}}
{{- define "event-operator.policy" }}
  # A policy that cannot be evaluated refuses: the operator tries again.
  failurePolicy: Fail
  matchConditions:
  - name: is-the-operator
    expression: >-
      request.userInfo.username == "system:serviceaccount:{{ .Release.Namespace }}:{{ include "event-operator.serviceAccount" . }}"
{{- end }}

{{/* The end of a policy: its binding. */}}
{{- define "event-operator.policyBinding" }}
{{- $root := index . 0 }}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ index . 1 }}
  labels:
    {{- include "event-operator.labels" $root | nindent 4 }}
spec:
  policyName: {{ index . 1 }}
  validationActions: [Deny]
---
{{- end }}
