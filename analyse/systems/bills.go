package systems

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"noroshi/access"
	"noroshi/bom"
	"noroshi/fault"
	"noroshi/ident"
	"noroshi/ledger"
	"noroshi/ledger/quarantine"
)

// Upload hands a bill of materials in, which is in force from then on. Version is
// which version of the system it is of, as the document says it when empty;
// digest, unless empty, is the SHA-256 that it must have. The document that is in
// force already changes nothing.
func (x *Systems) Upload(ctx context.Context, s access.Scope, id ident.ID, version, digest string, document []byte) (b Bill, err error) {
	const op = "systems.upload"
	sys, err := x.Get(ctx, s, id)
	if err == nil {
		err = x.d.Closed()
	}
	if err != nil {
		return b, err
	}
	if len(document) > MaxDocument {
		return b, fault.New(fault.TooLarge, op, "a bill of materials has at most %d MiB", MaxDocument>>20)
	}
	sum := sha256.Sum256(document)
	b = Bill{SHA256: hex.EncodeToString(sum[:]), Bytes: len(document), By: s.Actor(), At: x.now()}
	if given := strings.TrimPrefix(strings.ToLower(digest), "sha256:"); given != "" && given != b.SHA256 {
		return b, fault.New(fault.Invalid, op, "its SHA-256 is %s and not %.64s: it was changed on its way, or is another file", b.SHA256, given)
	}
	parts, err := x.d.Documents.Read(bytes.NewReader(document))
	if err != nil {
		return b, x.aside(ctx, sys.Org, fmt.Sprintf("bill of materials of %s", sys.Name), document, err)
	}
	b.Format, b.Components, b.Quality = parts.Format, len(parts.Components), x.d.Documents.Score(parts)
	if b.Version = cmp.Or(version, parts.Version); !sound(b.Version, maxName) {
		return b, fault.New(fault.Invalid, op, "the version is longer than %d bytes, or holds what is no text", maxName).At("version")
	}
	kept, err := pack(document)
	if err != nil {
		return b, fault.Wrap(op, err)
	}
	err = x.d.DB.Write(ctx, s.Actor(), func(tx *ledger.Tx) error {
		sys, err := get(ctx, tx, s, id)
		if err != nil {
			return err
		}
		if sys.State != Active {
			return fault.New(fault.Conflict, op, "the system is retired; add it again first")
		}
		if old := sys.InForce; old != nil {
			if old.SHA256 == b.SHA256 && (b.Version == old.Version || version == "") {
				b = *old
				return nil
			}
			b.Number = old.Number
		}
		b.Number++
		b.Version = cmp.Or(b.Version, "#"+strconv.Itoa(b.Number))
		if _, err := tx.Exec(ctx, `INSERT INTO system_bill (system, number, org, at, body, document) VALUES (?,?,?,?,?,?)`,
			string(id), b.Number, string(sys.Org), ledger.Micros(b.At), ledger.JSON(b), kept); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM system_bill WHERE system = ? AND number <= ?`, string(id), b.Number-MaxBills); err != nil {
			return err
		}
		sys.InForce = &b
		return x.save(ctx, tx, &sys, "bill of materials")
	})
	return b, x.after(ctx, op, err)
}

// maxSample is how much of what could not be read is kept to look at.
const maxSample = 200

// aside keeps what could not be read with its place, and returns why.
func (x *Systems) aside(ctx context.Context, org ident.ID, place string, data []byte, why error) error {
	e := quarantine.Quarantined{Org: org, Place: place, Reason: fault.PublicOf(why), Sample: strings.ToValidUTF8(string(data[:min(len(data), maxSample)]), "·")}
	if err := x.d.Aside(ctx, []quarantine.Quarantined{e}); err != nil {
		x.d.Log.Error("the quarantine cannot be written", "role", "hub", "err", err)
	}
	return why
}

// Bills lists a system's bills of materials, the newest first.
func (x *Systems) Bills(ctx context.Context, s access.Scope, id ident.ID) ([]Bill, error) {
	list := []Bill{}
	err := x.d.DB.Read(ctx, func(q ledger.Queryer) error {
		if _, err := get(ctx, q, s, id); err != nil {
			return err
		}
		rows, err := q.Query(ctx, `SELECT body FROM system_bill WHERE system = ? ORDER BY number DESC`, string(id))
		return ledger.Each(rows, err, func(scan func(...any) error) error {
			var body string
			if err := scan(&body); err != nil {
				return err
			}
			var b Bill
			err := json.Unmarshal([]byte(body), &b)
			list = append(list, b)
			return err
		})
	})
	return list, fault.Wrap("systems.bills", err)
}

// Document returns a bill of materials as it was handed in.
func (x *Systems) Document(ctx context.Context, s access.Scope, id ident.ID, number int) (b Bill, document []byte, err error) {
	err = x.d.DB.Read(ctx, func(q ledger.Queryer) error {
		if _, err := get(ctx, q, s, id); err != nil {
			return err
		}
		b, document, err = kept(ctx, q, id, number)
		return err
	})
	return b, document, fault.Wrap("systems.document", err)
}

// kept reads a bill.
func kept(ctx context.Context, q ledger.Queryer, id ident.ID, number int) (b Bill, document []byte, err error) {
	var body string
	var packed []byte
	err = q.QueryRow(ctx, `SELECT body, document FROM system_bill WHERE system = ? AND number = ?`, string(id), number).Scan(&body, &packed)
	if ledger.NoRows(err) {
		return b, nil, fault.New(fault.NotFound, "systems.document", "the system has no bill of materials number %d", number)
	}
	if err != nil {
		return b, nil, err
	}
	if err := json.Unmarshal([]byte(body), &b); err != nil {
		return b, nil, err
	}
	document, err = unpack(packed, MaxDocument, b.SHA256)
	return b, document, err
}

// pack compresses a document as the ledger keeps it.
func pack(document []byte) ([]byte, error) {
	var kept bytes.Buffer
	z := gzip.NewWriter(&kept)
	if _, err := z.Write(document); err != nil {
		return nil, err
	}
	err := z.Close()
	return kept.Bytes(), err
}

// unpack gives a document back, which must be the one that was handed in.
func unpack(packed []byte, most int64, digest string) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	document, err := io.ReadAll(io.LimitReader(z, most+1))
	if sum := sha256.Sum256(document); err == nil && hex.EncodeToString(sum[:]) != digest {
		err = fault.New(fault.Internal, "systems.unpack", "a document is not what was handed in: its SHA-256 is not %s any more", digest)
	}
	return document, err
}

// CycloneDX writes a bill of materials as CycloneDX, whatever it was handed in as.
func (x *Systems) CycloneDX(ctx context.Context, s access.Scope, id ident.ID, number int) ([]byte, error) {
	sys, _, err := x.parts(ctx, s, id, number)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = x.d.Documents.Write(&out, sys)
	return out.Bytes(), fault.Wrap("systems.cyclonedx", err)
}

// parts reads what a bill of materials says.
func (x *Systems) parts(ctx context.Context, s access.Scope, id ident.ID, number int) (sys bom.System, b Bill, err error) {
	b, document, err := x.Document(ctx, s, id, number)
	if err != nil {
		return sys, b, err
	}
	sys, err = x.d.Documents.Read(bytes.NewReader(document))
	return sys, b, fault.Wrap("systems.parts", err)
}
