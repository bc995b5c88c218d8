{{- define "event-operator.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 53 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "event-operator.selector" -}}
app.kubernetes.io/name: event-operator
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "event-operator.labels" -}}
{{ include "event-operator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* The same, with further ones of the values. */}}
{{- define "event-operator.labelsWith" -}}
{{- $labels := include "event-operator.labels" (first .) | fromYaml -}}
{{- toYaml (mergeOverwrite $labels (default dict (last .))) -}}
{{- end -}}

{{- define "event-operator.workerSelector" -}}
app.kubernetes.io/name: event-worker
app.kubernetes.io/managed-by: event-operator
{{- end -}}

{{/* The operator's configuration as it reads it: amounts of cpu and memory are words there, and numbers are taken here too. */}}
{{- define "event-operator.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- range $key := list "limits" "requests" -}}
{{- $amounts := dict -}}
{{- range $name, $amount := get $config.worker $key -}}
{{- if kindIs "string" $amount -}}
{{- $_ := set $amounts $name $amount -}}
{{- else if eq (float64 $amount) (floor $amount) -}}
{{- $_ := set $amounts $name (int64 $amount | toString) -}}
{{- else -}}
{{- $_ := set $amounts $name (toString $amount) -}}
{{- end -}}
{{- end -}}
{{- if hasKey $config.worker $key -}}
{{- $_ := set $config.worker $key $amounts -}}
{{- end -}}
{{- end -}}
{{- toYaml $config -}}
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
{{- $account := default dict .Values.serviceAccount -}}
{{- if dig "create" true $account -}}
{{- default (include "event-operator.name" .) $account.name -}}
{{- else -}}
{{- required "serviceAccount.name is not set: with serviceAccount.create=false it names the ServiceAccount that is there" $account.name -}}
{{- end -}}
{{- end -}}

{{- define "event-operator.image" -}}
{{- $tag := default (ternary "" .Chart.AppVersion (not (empty .Values.image.digest))) .Values.image.tag -}}
{{- .Values.image.repository -}}
{{- with $tag }}:{{ . }}{{ end -}}
{{- with .Values.image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{/* The port of a URL, or of host:port, which the operator takes for http://host:port. */}}
{{- define "event-operator.port" -}}
{{- $url := urlParse (ternary . (printf "http://%s" .) (contains "://" .)) -}}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" -}}
{{- default (ternary "443" "80" (eq $url.scheme "https")) $port -}}
{{- end -}}

{{/* What nothing else would notice before a pod does; all of it at once. */}}
{{- define "event-operator.check" -}}
{{- $faults := list -}}
{{- if not .Values.config.projectId -}}
{{- $faults = append $faults "config.projectId is not set: name the Google Cloud project of the topics, as in --set config.projectId=my-project" -}}
{{- end -}}
{{- if not .Values.localImages -}}
{{- /* A name without a slash is one of docker.io/library, where only Docker's own images are. */ -}}
{{- $advice := "with its registry, as in REGISTRY/%s:TAG (localImages=true where every node has the image already)" -}}
{{- if and (not (contains "/" .Values.image.repository)) (ne (default "" .Values.image.pullPolicy) "Never") -}}
{{- $faults = append $faults (printf "image.repository is not set: name the operator's image %s" (printf $advice "event-operator" | replace ":TAG" "")) -}}
{{- end -}}
{{- $worker := .Values.config.worker -}}
{{- if and (not (contains "/" $worker.image)) (ne (default "" $worker.imagePullPolicy) "Never") -}}
{{- $faults = append $faults (printf "config.worker.image is not set: name the workers' image %s; no registry has %q" (printf $advice "event-worker") $worker.image) -}}
{{- end -}}
{{- end -}}
{{- $selector := include "event-operator.selector" . | fromYaml -}}
{{- range $label, $_ := .Values.podLabels -}}
{{- if hasKey $selector $label -}}
{{- $faults = append $faults (printf "podLabels must not set %s: the Deployment selects its pods by it" $label) -}}
{{- end -}}
{{- end -}}
{{- $own := list "POD_NAME" "POD_NAMESPACE" "LOG_LEVEL" "GOOGLE_APPLICATION_CREDENTIALS" -}}
{{- range .Values.extraEnv -}}
{{- if has .name $own -}}
{{- $faults = append $faults (printf "extraEnv must not set %s: the chart does" .name) -}}
{{- end -}}
{{- end -}}
{{- $account := default dict .Values.serviceAccount -}}
{{- if and (not (dig "create" true $account)) $account.annotations -}}
{{- $faults = append $faults "serviceAccount.annotations must be empty with serviceAccount.create=false: the chart leaves that ServiceAccount as it is" -}}
{{- end -}}
{{- if and (dig "enabled" false (default dict .Values.podMonitor)) (dig "enabled" false (default dict .Values.serviceMonitor)) -}}
{{- $faults = append $faults "podMonitor.enabled and serviceMonitor.enabled must not both be true: each pod would be scraped twice" -}}
{{- end -}}
{{- if $faults -}}
{{- fail (printf "\n%s\n" (join "\n" $faults)) -}}
{{- end -}}
{{- end -}}
