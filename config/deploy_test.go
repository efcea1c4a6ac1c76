package config_test

import (
	"testing"

	"noroshi/config"
)

// TestTheExampleOfSeveralHubsIsAConfiguration reads what deploy/ offers.
func TestTheExampleOfSeveralHubsIsAConfiguration(t *testing.T) {
	c, err := config.Load("../deploy/hub.yaml", []string{"NOROSHI_HUB_LEDGER=postgres://noroshi@db.example/noroshi"})
	if err != nil {
		t.Fatal(err)
	}
	if !c.Hub.Several() || c.Hub.Parts() != 8 || len(c.Hub.Stores) != 2 {
		t.Errorf("it reads as %+v", c.Hub)
	}
	if _, err := config.Load("../deploy/hub.yaml", nil); err == nil {
		t.Error("several hubs without a PostgreSQL ledger are allowed")
	}
}
