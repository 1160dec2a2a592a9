{{/* Reference of an image: repository and tag or digest. */}}
{{- define "drydock.image" -}}
{{- $tag := .image.tag | default .chart.AppVersion -}}
{{- printf "%s%s%s" .image.repository (hasPrefix "sha256:" $tag | ternary "@" ":") $tag -}}
{{- end }}

{{/* Labels of everything that this chart makes. */}}
{{- define "drydock.labels" -}}
app.kubernetes.io/name: drydock
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* What every pod of the operator's image shares: the strictest pod security level. */}}
{{- define "drydock.operatorPod" -}}
serviceAccountName: drydock-operator
automountServiceAccountToken: false
enableServiceLinks: false
priorityClassName: system-cluster-critical
{{- with .Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
nodeSelector:
  {{- merge (dict "kubernetes.io/os" "linux") (.Values.operator.nodeSelector | default dict) | toYaml | nindent 2 }}
affinity:
  nodeAffinity:
    # Control-plane nodes change last: the operator is not drained by its own work before that.
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        preference:
          matchExpressions:
            - {key: node-role.kubernetes.io/control-plane, operator: Exists}
tolerations:
  - {key: node-role.kubernetes.io/control-plane, operator: Exists, effect: NoSchedule}
  {{- with .Values.operator.tolerations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
volumes:
  - name: token
    projected:
      defaultMode: 0444
      sources:
        - serviceAccountToken: {path: token, expirationSeconds: 3600}
        - configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca.crt}]}
        - downwardAPI: {items: [{path: namespace, fieldRef: {fieldPath: metadata.namespace}}]}
{{- end }}

{{/* What every container of the operator's image shares. */}}
{{- define "drydock.operatorContainer" -}}
image: {{ include "drydock.image" (dict "image" .Values.images.operator "chart" .Chart) | quote }}
imagePullPolicy: {{ .Values.images.pullPolicy }}
env:
  - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
  - {name: POD_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
volumeMounts:
  - {name: token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
resources: {{- toYaml .Values.operator.resources | nindent 2 }}
{{- end }}
