// Command oci-adapter stands in front of an OCI runtime on machines that have neither CAP_SYS_RESOURCE nor a hugetlb
// hierarchy: engines ask for a lower OOM score, for that capability in privileged containers, and for hugepage limits, and
// the runtime would start nothing. It is called by the runtime's name, takes these wishes out of the bundle, and becomes
// the runtime.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

func main() {
	if err := adapt(os.Args[1:]); err != nil {
		fail(err)
	}
	name := filepath.Base(os.Args[0])
	os.Setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	runtime, err := exec.LookPath(name)
	if err != nil {
		fail(err)
	}
	fail(syscall.Exec(runtime, append([]string{name}, os.Args[1:]...), os.Environ()))
}

func fail(err error) {
	fmt.Fprintf(os.Stderr, "oci-adapter: %v\n", err)
	os.Exit(1)
}

func adapt(arguments []string) error {
	bundle, creates := bundleOf(arguments)
	if !creates {
		return nil
	}
	path := filepath.Join(bundle, "config.json")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	config := map[string]json.RawMessage{}
	if err := json.Unmarshal(text, &config); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if !mayRaiseLimits() {
		if err := within(config, "process", lowerWishes); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	if err := within(config, "linux", dropHugepages); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	adapted, err := json.Marshal(config)
	if err != nil {
		return err
	}
	return os.WriteFile(path, adapted, 0o600)
}

// bundleOf tells whether the runtime is asked to create a container, and from which folder. Engines name none of its files:
// whoever does asks a question.
func bundleOf(arguments []string) (string, bool) {
	bundle, creates := ".", false
	for index, argument := range arguments {
		name, value, joined := strings.Cut(argument, "=")
		switch {
		case argument == "create" || argument == "run" || argument == "restore":
			creates = true
		case name == "--config":
			return "", false
		case name != "--bundle" && name != "-bundle" && name != "-b":
		case joined:
			bundle = value
		case index+1 < len(arguments):
			bundle = arguments[index+1]
		}
	}
	return bundle, creates
}

// within changes one object of the parent and leaves every other byte of it to itself.
func within(parent map[string]json.RawMessage, key string, change func(map[string]json.RawMessage) error) error {
	text, present := parent[key]
	if !present {
		return nil
	}
	object := map[string]json.RawMessage{}
	if err := json.Unmarshal(text, &object); err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	if err := change(object); err != nil {
		return err
	}
	changed, err := json.Marshal(object)
	parent[key] = changed
	return err
}

const (
	sysResource    = "CAP_SYS_RESOURCE"
	sysResourceBit = 24
)

// mayRaiseLimits tells whether a container can be given CAP_SYS_RESOURCE here.
func mayRaiseLimits() bool {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(status), "CapBnd:")
	word, _, _ := strings.Cut(strings.TrimSpace(rest), "\n")
	bounding, err := strconv.ParseUint(strings.TrimSpace(word), 16, 64)
	return err == nil && bounding&(1<<sysResourceBit) != 0
}

func lowerWishes(process map[string]json.RawMessage) error {
	if strings.HasPrefix(string(process["oomScoreAdj"]), "-") {
		process["oomScoreAdj"] = json.RawMessage("0")
	}
	return within(process, "capabilities", func(sets map[string]json.RawMessage) error {
		for name, text := range sets {
			var set []string
			if err := json.Unmarshal(text, &set); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			set = slices.DeleteFunc(set, func(capability string) bool { return capability == sysResource })
			changed, err := json.Marshal(set)
			if err != nil {
				return err
			}
			sets[name] = changed
		}
		return nil
	})
}

func dropHugepages(linux map[string]json.RawMessage) error {
	return within(linux, "resources", func(resources map[string]json.RawMessage) error {
		delete(resources, "hugepageLimits")
		return nil
	})
}
