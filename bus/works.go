package bus

import (
	"context"
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"noroshi/fault"
)

// reach asks a stream for a change that changes nothing: to delete a message that
// cannot be there. It answers when it has done, with a majority of its servers,
// all that was asked of it before. The client's own call would hide the error's
// code, which says whether to ask again.
func (h *Hub) reach(ctx context.Context, stream string) error {
	m, err := h.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.DELETE."+stream, []byte(`{"seq":`+strconv.FormatUint(math.MaxUint64, 10)+`}`))
	if err != nil {
		return err
	}
	var answer struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return err
	}
	if answer.Error == nil || strings.Contains(answer.Error.Description, server.ErrStoreEOF.Error()) {
		return nil
	}
	return answer.Error
}

// Works tells whether the engine still writes. After a full disk it answers
// questions but writes nothing more until it starts anew, and says so only to who
// asks it to change something.
func (h *Hub) Works(ctx context.Context) error {
	if err := h.reach(ctx, bundleStream); err != nil {
		return fault.As(fault.Unavailable, "bus.works", err, "the bus writes nothing more; it must be started anew")
	}
	return nil
}
