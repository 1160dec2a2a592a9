// Command hyperkube is every program that the test bed's cluster needs, in one static binary:
// it dispatches on the name it was called by (argv[0]), or on its first argument.
//
// One binary, because the Kubernetes programs share nearly all of their code: building them
// together costs the time of one, and a node image needs one layer.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	helmcmd "helm.sh/helm/v4/pkg/cmd"
	helmkube "helm.sh/helm/v4/pkg/kube"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubeadm "k8s.io/kubernetes/cmd/kubeadm/app/cmd"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// cobraPrograms build their command only when called: building all of them would register clashing flags.
var cobraPrograms = map[string]func() *cobra.Command{
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": controllermanager.NewControllerManagerCommand,
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	"kube-proxy":              proxy.NewProxyCommand,
	"kubelet":                 func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
	"kubectl":                 kubectl.NewDefaultKubectlCommand,
	"kubeadm":                 func() *cobra.Command { return kubeadm.NewKubeadmCommand(os.Stdin, os.Stdout, os.Stderr) },
}

func main() {
	program := filepath.Base(os.Args[0])
	if program == "hyperkube" && len(os.Args) > 1 {
		os.Args = os.Args[1:]
		program = os.Args[0]
	}
	switch build, known := cobraPrograms[program]; {
	case known:
		os.Exit(cli.Run(build()))
	case program == "etcd":
		etcdmain.Main(os.Args)
	case program == "helm":
		os.Exit(runHelm())
	default:
		fmt.Fprintf(os.Stderr, "hyperkube: no program %q; it has etcd, helm, %s\n", program, strings.Join(names(), ", "))
		os.Exit(2)
	}
}

// runHelm follows helm's own main: the exit code of a failed command is kept.
func runHelm() int {
	helmkube.ManagedFieldsManager = "helm"
	command, err := helmcmd.NewRootCmd(os.Stdout, os.Args[1:], helmcmd.SetupLogging)
	if err == nil {
		err = command.Execute()
	}
	if failed, ok := err.(helmcmd.CommandError); ok {
		return failed.ExitCode
	}
	if err != nil {
		return 1
	}
	return 0
}

func names() []string {
	list := make([]string, 0, len(cobraPrograms))
	for name := range cobraPrograms {
		list = append(list, name)
	}
	sort.Strings(list)
	return list
}
