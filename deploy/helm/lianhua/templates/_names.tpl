{{- define "lianhua.name" -}}
{{- if contains "lianhua" .Release.Name -}}{{ .Release.Name | trunc 52 | trimSuffix "-" }}{{- else -}}{{ printf "%s-lianhua" (.Release.Name | trunc 44 | trimSuffix "-") }}{{- end -}}
{{- end -}}

{{- define "lianhua.selector" -}}
app.kubernetes.io/name: lianhua
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "lianhua.labels" -}}
{{ include "lianhua.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "lianhua.hasRedis" -}}
{{- if or .Values.redis.url .Values.redis.existingSecret }}yes{{ end -}}
{{- end -}}

{{- define "lianhua.check" -}}
{{- if and (not .Values.allowOpen) (eq (default "open" (index .Values.settings "LIANHUA_AUTH")) "open") -}}
{{- fail "nobody would have to log in: set allowOpen=true if only people who may use it reach the service" -}}
{{- end -}}
{{- if and (gt (int .Values.replicas) 1) (not (include "lianhua.hasRedis" .)) -}}
{{- fail "replicas: the embedded store has one owner; set redis.url or redis.existingSecret for more than one" -}}
{{- end -}}
{{- if lt (int .Values.terminationGracePeriodSeconds) (add (int .Values.preStopSeconds) 30) -}}
{{- fail "terminationGracePeriodSeconds: turns need 30 s to end, after preStopSeconds" -}}
{{- end -}}
{{- end -}}
