package sbom

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"time"

	"noroshi/bom"
	"noroshi/fault"
)

// protobuf tells by its first field, the version of the specification, whether a
// file is CycloneDX in protobuf.
func protobuf(b *bufio.Reader) bool {
	head, _ := b.Peek(4) // Whatever is wrong is said when it is read.
	return len(head) == 4 && head[0] == 1<<3|2 && (head[1] == 3 || head[1] == 4) && head[2] == '1' && head[3] == '.'
}

// The wire types of protobuf.
const (
	varint   = 0
	fixed64  = 1
	lengthed = 2
	fixed32  = 5
)

// field is one field of a message: a number, or bytes.
type field struct {
	number int
	value  uint64
	bytes  []byte
}

// readProtobuf streams the fields of the document: one component is in memory as
// bytes at a time. The numbers are those of bom-1.3.proto to bom-1.7.proto.
func readProtobuf(r *bufio.Reader, d *builder) (bom.System, error) {
	in := &counted{r: r}
	for {
		f, err := in.field()
		if err == io.EOF {
			return d.system(), nil
		}
		if err == nil {
			err = d.top(f)
		}
		if err != nil {
			if e, ok := err.(*fault.Error); ok {
				return bom.System{}, e.At("byte %d", in.at)
			}
			return bom.System{}, fault.As(fault.Invalid, "sbom.read", err, "the file ends in the middle").At("byte %d", in.at)
		}
	}
}

// counted reads fields and knows where it is.
type counted struct {
	r   *bufio.Reader
	at  int
	buf bytes.Buffer
}

// ReadByte is for binary.ReadUvarint.
func (c *counted) ReadByte() (byte, error) {
	b, err := c.r.ReadByte()
	if err == nil {
		c.at++
	}
	return b, err
}

func (c *counted) field() (f field, err error) {
	tag, err := binary.ReadUvarint(c)
	if err != nil {
		return f, err
	}
	f.number = int(tag >> 3)
	take := uint64(0)
	switch tag & 7 {
	case varint:
		f.value, err = binary.ReadUvarint(c)
		return f, middle(err)
	case fixed64:
		take = 8
	case fixed32:
		take = 4
	case lengthed:
		if take, err = binary.ReadUvarint(c); err != nil {
			return f, middle(err)
		}
	default:
		return f, notProtobuf()
	}
	if take > MaxBytes {
		return f, fault.New(fault.TooLarge, "sbom.read", "a field claims to have %d bytes", take)
	}
	// The buffer grows with what comes, not with what is claimed.
	c.buf.Reset()
	n, err := io.CopyN(&c.buf, c.r, int64(take))
	c.at += int(n)
	f.bytes = c.buf.Bytes()
	return f, middle(err)
}

// middle makes an end where more should come an unexpected one.
func middle(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func notProtobuf() error {
	return fault.New(fault.Invalid, "sbom.read", "it begins as CycloneDX in protobuf and is none")
}

// fields reads the fields of a message inside another.
func fields(b []byte, take func(field) error) error {
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 {
			return notProtobuf()
		}
		b = b[n:]
		f, length := field{number: int(tag >> 3)}, uint64(0)
		switch tag & 7 {
		case varint:
			if f.value, n = binary.Uvarint(b); n <= 0 {
				return notProtobuf()
			}
			length = uint64(n)
		case fixed64:
			length = 8
		case fixed32:
			length = 4
		case lengthed:
			if length, n = binary.Uvarint(b); n <= 0 {
				return notProtobuf()
			}
			b = b[n:]
		default:
			return notProtobuf()
		}
		if length > uint64(len(b)) {
			return notProtobuf()
		}
		f.bytes, b = b[:length], b[length:]
		if err := take(f); err != nil {
			return err
		}
	}
	return nil
}

// top takes a field of the document.
func (b *builder) top(f field) error {
	switch f.number {
	case 1:
		b.sys.Format = "CycloneDX " + string(f.bytes)
	case 4:
		m, err := protoMetadata(f.bytes)
		if err != nil {
			return err
		}
		return b.describe(&m)
	case 5:
		c, err := protoComponent(f.bytes, 1)
		if err != nil {
			return err
		}
		return b.component(&c)
	case 8:
		return b.protoDependency(f.bytes)
	}
	return nil
}

func protoComponent(msg []byte, depth int) (c cdxComponent, err error) {
	if depth > maxDepth {
		return c, fault.New(fault.Invalid, "sbom.read", "components are nested deeper than %d", maxDepth)
	}
	texts := map[int]*string{3: &c.Ref, 5: &c.Author, 6: &c.Publisher, 7: &c.Group, 8: &c.Name, 9: &c.Version, 15: &c.CPE, 16: &c.PURL}
	err = fields(msg, func(f field) (err error) {
		switch to := texts[f.number]; {
		case to != nil:
			*to = string(f.bytes)
		case f.number == 1 && f.value == protoFile:
			c.Type = "file"
		case f.number == 4:
			c.Supplier.Name, err = protoName(f.bytes)
		case f.number == 12:
			var h Hash
			h, err = protoHash(f.bytes)
			c.Hashes = append(c.Hashes, h)
		case f.number == 13:
			var l cdxLicense
			l, err = protoLicense(f.bytes)
			c.Licenses = append(c.Licenses, l)
		case f.number == 21:
			var inner cdxComponent
			inner, err = protoComponent(f.bytes, depth+1)
			c.Components = append(c.Components, inner)
		}
		return err
	})
	return c, err
}

func protoMetadata(msg []byte) (m cdxMetadata, err error) {
	err = fields(msg, func(f field) (err error) {
		var name string
		switch f.number {
		case 1:
			return fields(f.bytes, func(f field) error {
				if f.number == 1 {
					m.Timestamp = time.Unix(int64(f.value), 0).UTC().Format(time.RFC3339)
				}
				return nil
			})
		case 3:
			if name, err = protoName(f.bytes); err == nil {
				m.Authors = append(m.Authors, struct {
					Name string `json:"name" xml:"name"`
				}{name})
			}
		case 4:
			m.Component, err = protoComponent(f.bytes, 1)
		case 5, 10:
			m.Manufacturer.Name, err = protoName(f.bytes)
		case 6:
			m.Supplier.Name, err = protoName(f.bytes)
		}
		return err
	})
	return m, err
}

func protoHash(msg []byte) (h Hash, err error) {
	err = fields(msg, func(f field) error {
		switch {
		case f.number == 1 && f.value < uint64(len(protoAlgorithms)):
			h.Alg = protoAlgorithms[f.value]
		case f.number == 2:
			h.Content = string(f.bytes)
		}
		return nil
	})
	return h, err
}

func protoLicense(msg []byte) (l cdxLicense, err error) {
	err = fields(msg, func(f field) error {
		switch f.number {
		case 1:
			return fields(f.bytes, func(f field) error {
				switch f.number {
				case 1:
					l.License.ID = string(f.bytes)
				case 2:
					l.License.Name = string(f.bytes)
				}
				return nil
			})
		case 2:
			l.Expression = string(f.bytes)
		}
		return nil
	})
	return l, err
}

// protoFile is the number of the type file.
const protoFile = 6

// protoName is the name of a person or an organisation.
func protoName(msg []byte) (name string, err error) {
	err = fields(msg, func(f field) error {
		if f.number == 1 {
			name = string(f.bytes)
		}
		return nil
	})
	return name, err
}

// protoDependency reads what one reference needs; what stands inside has only
// the reference that is needed.
func (b *builder) protoDependency(msg []byte) error {
	var d cdxDependency
	err := fields(msg, func(f field) error {
		switch f.number {
		case 1:
			d.Ref = string(f.bytes)
		case 2:
			return fields(f.bytes, func(f field) error {
				if f.number == 1 {
					d.DependsOn = append(d.DependsOn, string(f.bytes))
				}
				return nil
			})
		}
		return nil
	})
	if err != nil {
		return err
	}
	return b.dependency(&d)
}
