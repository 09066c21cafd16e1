{{/* Names, labels and the parts that every pod has alike. */}}

{{- define "leadtime.name" -}}
{{- if contains "leadtime" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-leadtime" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* Arguments: root, component. */}}
{{- define "leadtime.selector" -}}
app.kubernetes.io/name: leadtime
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "leadtime.labels" -}}
{{ include "leadtime.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
{{- end }}

{{- define "leadtime.metadata" -}}
name: {{ include "leadtime.name" (index . 0) }}-{{ index . 1 }}
namespace: {{ (index . 0).Release.Namespace }}
labels:
  {{- include "leadtime.labels" . | nindent 2 }}
{{- end }}

{{- define "leadtime.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* fleet.yaml: the operator's, in which the chart sets who listens where and what moves the replicas. */}}
{{- define "leadtime.config" -}}
{{- $ours := dict
  "api" (dict "host" "0.0.0.0" "port" 8800 "auth" (dict "tokens" true "open_metrics" true))
  "console" (dict "host" "0.0.0.0" "port" 8501)
  "router" (dict "host" "0.0.0.0" "port" 8700)
  "store" (dict "url" (.Values.store.url | default "sqlite:////var/lib/leadtime/leadtime.db"))
  "fleet" (dict "kind" "kubernetes" "kubernetes" (dict "namespaces" .Values.watchNamespaces "lease" (printf "%s-daemon" (include "leadtime.name" .)) "gitops" (not .Values.rights.editPolicies) "nodes" .Values.rights.gpuInventory))
}}
{{- if .Values.rights.taintNodes }}
{{- if not .Values.rights.gpuInventory }}{{ fail "rights.taintNodes is true and rights.gpuInventory is false: a node that is not read is not tainted" }}{{ end }}
{{- $_ := set $ours.fleet.kubernetes "taint_faulty_nodes" true }}
{{- end }}
{{- if .Values.agents.tokenSecret.name }}
{{- $_ := set $ours.fleet "token_file" "/etc/leadtime-agent/token" }}
{{- end }}
{{- if .Values.agents.caSecret.name }}
{{- if not .Values.agents.tokenSecret.name }}{{ fail "agents.caSecret is given and agents.tokenSecret is not: agents are asked with a token" }}{{ end }}
{{- $_ := set $ours.fleet "ca_file" "/etc/leadtime-agent/ca.crt" }}
{{- end }}
{{- mergeOverwrite $ours (deepCopy .Values.config) | toYaml }}
{{- end }}

{{/* Who asks engines and agents, as peers: daemon, router, Prometheus. */}}
{{- define "leadtime.askers" -}}
- namespaceSelector:
    matchLabels: {kubernetes.io/metadata.name: {{ .Release.Namespace }}}
  podSelector:
    matchLabels: {app.kubernetes.io/name: leadtime, app.kubernetes.io/instance: {{ .Release.Name }}}
    matchExpressions: [{key: app.kubernetes.io/component, operator: In, values: [daemon, router]}]
{{- with .Values.networkPolicy.prometheus }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The agents' token and the authority of their certificates, as files. */}}
{{- define "leadtime.agentMount" -}}
{{- if .Values.agents.tokenSecret.name }}
- {name: agents, mountPath: /etc/leadtime-agent, readOnly: true}
{{- end }}
{{- end }}

{{- define "leadtime.agentVolume" -}}
{{- with .Values.agents.tokenSecret }}
{{- if .name }}
- name: agents
  projected:
    defaultMode: 288
    sources:
      - secret: {name: {{ .name }}, items: [{key: {{ .key }}, path: token}]}
{{- with $.Values.agents.caSecret }}
{{- if .name }}
      - secret: {name: {{ .name }}, items: [{key: {{ .key }}, path: ca.crt}]}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "leadtime.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "leadtime.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Writable places and the names that libraries ask for. */}}
{{- define "leadtime.env" -}}
- {name: HOME, value: /tmp}
- {name: NUMBA_CACHE_DIR, value: /var/lib/leadtime/numba}
{{- if and .Values.store.url .Values.store.passwordSecret.name }}
- name: PGPASSWORD
  valueFrom:
    secretKeyRef: {name: {{ .Values.store.passwordSecret.name }}, key: {{ .Values.store.passwordSecret.key }}}
{{- end }}
{{- end }}

{{/* What a pod of ours shows the API. */}}
{{- define "leadtime.credential" -}}
{{- if .Values.auth.tokenSecret.name }}
- name: LEADTIME_TOKEN
  valueFrom:
    secretKeyRef: {name: {{ .Values.auth.tokenSecret.name }}, key: {{ .Values.auth.tokenSecret.key }}}
{{- end }}
{{- end }}

{{- define "leadtime.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Replicas on nodes of their own where possible. */}}
{{- define "leadtime.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "leadtime.selector" . | nindent 8 }}
{{- end }}

{{/* A Service and a budget that never blocks the drain of a node. Arguments: root, component, port's name, port. */}}
{{- define "leadtime.service" -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "leadtime.metadata" . | nindent 2 }}
spec:
  selector:
    {{- include "leadtime.selector" . | nindent 4 }}
  {{- if eq (index . 1) "console" }}
  sessionAffinity: ClientIP
  {{- end }}
  ports:
    - {name: {{ index . 2 }}, port: {{ index . 3 }}, targetPort: {{ index . 2 }}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "leadtime.metadata" . | nindent 2 }}
spec:
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "leadtime.selector" . | nindent 6 }}
{{- end }}
