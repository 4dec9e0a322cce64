#!/usr/bin/env bash
# Tries an installed release with injection on a cluster, with the cases of injection-cases.txt:
#   LABEL=isales SERVED=telephony OTHER=default config/kubernetes/try-injection.sh [MANIFEST]
# LABEL     value of the label (`injection.label`, else the name of the release)
# SERVED    a namespace on the list of the release     OTHER  one that it does not serve
# LABELLED  one that has the label (optional)          KUBECTL  default: kubectl
# MANIFEST  what `helm template` made: is it the same for a second manager of server-side apply? (a dry run)
# CREATE=1  make pods and workloads, too, and delete them. Without it every request is a dry run that changes nothing.
set -u
applied=${1:+$(realpath "$1")}
cd "$(dirname "$0")" || exit 1
K=${KUBECTL:-kubectl} LABEL=${LABEL:?} SERVED=${SERVED:?} OTHER=${OTHER:-default} LABELLED=${LABELLED:-} CREATE=${CREATE:-}
name=try-injection-$$ passed=0 failed=0 skipped=0
safe='securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}'
app="{name: app, image: busybox, $safe}"

expand() { # what the names in a case stand for
  local text=$1
  text=${text//SAFE/$safe} text=${text//APP/$app} text=${text//SERVED/$SERVED} text=${text//OTHER/$OTHER}
  [[ $text =~ ^(.*[\{,\ ])?L([\},].*)?$ ]] && text="${BASH_REMATCH[1]}isales-auth-proxy: $LABEL${BASH_REMATCH[2]}"
  printf %s "$text"
}
trim() { local text=${1#"${1%%[! ]*}"}; printf %s "${text%"${text##*[! ]}"}"; }
pod() { # NAMESPACE LABELS ANNOTATIONS SPEC
  printf 'apiVersion: v1\nkind: Pod\nmetadata: {name: %s, namespace: %s, labels: {%s}, annotations: {%s}}\nspec: {%s}\n' \
    "$name" "$1" "$2" "$3" "${4:-containers: [$app]}"
}
judge() { # NAME OUTCOME CODE TEXT: how kubectl ended, and what it said
  local text=${2#API } good=
  if [ "${text#PSA }" != "$text" ] && grep -qF 'violates PodSecurity' <<<"$4"; then
    skip "$1" 'Pod Security of the namespace refuses it before the guard is asked'
    return
  fi
  text=${text#PSA }
  if [ "${text#!}" != "$text" ]; then [ "$3" = 0 ] && ! grep -qF -- "${text#!}" <<<"$4" && good=1
  else grep -qF -- "$text" <<<"$4" && good=1; fi
  if [ "$good" ]; then passed=$((passed + 1)); echo "PASS $1"
  else failed=$((failed + 1)); echo "FAIL $1: wanted \"$text\", got: $(tail -n 3 <<<"$4" | cut -c1-400)"; fi
}
skip() { skipped=$((skipped + 1)); echo "SKIP $1: $2"; }

while IFS='|' read -r -u 3 title outcome namespace labels annotations spec patch; do
  title=$(trim "$title") outcome=$(trim "$outcome") namespace=$(trim "$namespace")
  case $title in '' | '#'*) continue ;; esac
  [ "$namespace" = LABELLED ] && { [ "$LABELLED" ] || { skip "$title" 'LABELLED names no namespace'; continue; }; namespace=$LABELLED; }
  namespace=$(expand "$namespace") patch=$(expand "$(trim "$patch")")
  manifest=$(pod "$namespace" "$(expand "$(trim "$labels")")" "$(trim "$annotations")" "$(expand "$(trim "$spec")")")
  if [ -z "$patch" ]; then
    said=$($K create -f - --dry-run=server -o yaml <<<"$manifest" 2>&1)
    judge "$title" "$outcome" $? "$said"
    continue
  fi
  [ "$CREATE" ] || { skip "$title" 'needs CREATE=1'; continue; }
  $K create -f - <<<"$manifest" >/dev/null
  # Without braces around it: kubectl reads what begins with a brace as JSON.
  said=$($K patch pod "$name" -n "$namespace" --type=merge --patch "$patch" --dry-run=server -o yaml 2>&1)
  judge "$title" "$outcome" $? "$said"
  $K delete pod "$name" -n "$namespace" --now >/dev/null
done 3<injection-cases.txt

mine="isales-auth-proxy: $LABEL"
first=$(pod "$SERVED" "$mine" '' "initContainers: [{name: first, image: busybox, $safe}], containers: [$app]")
judge 'first of the init containers' 'isales-auth-proxy first' 0 \
  "$($K create -f - --dry-run=server -o jsonpath='{.spec.initContainers[*].name}' <<<"$first" 2>&1)"
once=$(pod "$SERVED" "$mine" '' | $K create -f - --dry-run=server -o yaml | sed '/uid:/d; /creationTimestamp:/d; /generation:/d')
judge 'once, however often it is created' 'only:isales-auth-proxy.' 0 \
  "only:$($K create -f - --dry-run=server -o jsonpath='{.spec.initContainers[*].name}' <<<"$once" 2>&1)."
if [ "$applied" ]; then
  $K apply --server-side --field-manager=try-injection --dry-run=server -f "$applied" >/dev/null
  judge 'server-side apply by a second manager' 'ended with 0' 0 "ended with $?"
fi

if [ "$CREATE" ]; then
  for kind in Deployment StatefulSet DaemonSet Job; do
    api=apps/v1 more='selector: {matchLabels: {app: try-injection}}, ' restart=
    case $kind in StatefulSet) more+='serviceName: try-injection, ' ;; Job) api=batch/v1 more='' restart='restartPolicy: Never, ' ;; esac
    printf 'apiVersion: %s\nkind: %s\nmetadata: {name: %s, namespace: %s}\nspec: {%stemplate: {metadata: {labels: {app: try-injection, %s}}, spec: {%scontainers: [%s]}}}\n' \
      $api $kind $name "$SERVED" "$more" "$mine" "$restart" "$app" | $K create -f - >/dev/null
    for _ in $(seq 20); do
      got=$($K get pods -n "$SERVED" -l app=try-injection -o jsonpath='{.items[0].spec.initContainers[0].name}' 2>&1)
      [ "$got" = isales-auth-proxy ] && break
      sleep 0.5
    done
    judge "a pod of a $kind" isales-auth-proxy 0 "$got"
    $K delete $kind $name -n "$SERVED" --now --wait >/dev/null
    $K delete pods -n "$SERVED" -l app=try-injection --now >/dev/null
  done
  printf 'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: %s, namespace: %s}\nspec: {selector: {matchLabels: {app: try-injection}}, template: {metadata: {labels: {app: try-injection, %s}}, spec: {containers: [%s]}}}\n' \
    $name "$OTHER" "$mine" "$app" | $K create -f - >/dev/null
  sleep 3
  judge 'a Deployment that would start bare says why' 'no release of isales-auth-proxy has injected' 0 \
    "$($K get deployment $name -n "$OTHER" -o jsonpath='{.status.conditions[?(@.type=="ReplicaFailure")].message}')"
  $K delete deployment $name -n "$OTHER" --now >/dev/null
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
