package config_test

import (
	"path/filepath"
	"testing"

	"noroshi/config"
)

// TestDeployedConfigurationsAreGood loads what deploy/ offers as an example.
func TestDeployedConfigurationsAreGood(t *testing.T) {
	for file, env := range map[string][]string{"hub.yaml": nil, "compose-hub.yaml": {"NOROSHI_HUB_NAME=hub1", "NOROSHI_HUB_CLUSTER_LISTEN=hub1:7423"}} {
		c, err := config.Load(filepath.Join("..", "deploy", file), env)
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if !c.Hub.Several() || len(c.Hub.Stores) != 2 {
			t.Errorf("%s is not of several hubs with two stores", file)
		}
	}
}
