package event

// The model once more, in the order of its fields. A test walks all of them, so
// that none is forgotten.

func (q *quick) event(e *Event) {
	q.open("{")
	if q.has(`"class_uid":`) {
		e.ClassUID = Class(q.int())
	}
	if q.has(`"category_uid":`) {
		e.CategoryUID = q.int()
	}
	if q.has(`"activity_id":`) {
		e.ActivityID = q.int()
	}
	if q.has(`"type_uid":`) {
		e.TypeUID = q.int()
	}
	if q.has(`"severity_id":`) {
		e.SeverityID = q.int()
	}
	if q.has(`"time":`) {
		e.Time = q.long()
	}
	if q.has(`"metadata":`) {
		q.metadata(&e.Metadata)
	}
	if q.has(`"device":`) {
		e.Device = q.device()
	}
	if q.has(`"actor":`) {
		e.Actor = q.actor()
	}
	if q.has(`"process":`) {
		e.Process = q.process(0)
	}
	if q.has(`"exit_code":`) {
		e.ExitCode = q.intPtr()
	}
	if q.has(`"src_endpoint":`) {
		e.SrcEndpoint = q.endpoint()
	}
	if q.has(`"dst_endpoint":`) {
		e.DstEndpoint = q.endpoint()
	}
	if q.has(`"connection_info":`) {
		e.ConnectionInfo = q.connection()
	}
	if q.has(`"query":`) {
		e.Query = q.query()
	}
	if q.has(`"answers":`) {
		e.Answers = q.answers()
	}
	if q.has(`"rcode":`) {
		e.RCode = q.text()
	}
	if q.has(`"rcode_id":`) {
		e.RCodeID = q.intPtr()
	}
	if q.has(`"response_time":`) {
		e.ResponseTime = q.long()
	}
	if q.has(`"action_id":`) {
		e.ActionID = q.int()
	}
	if q.has(`"disposition_id":`) {
		e.DispositionID = q.int()
	}
	if q.has(`"policy":`) {
		e.Policy = q.policy()
	}
	if q.has(`"message":`) {
		e.Message = q.text()
	}
	if q.has(`"unmapped":`) {
		e.Unmapped = q.words()
	}
	q.shut("}")
}

func (q *quick) metadata(m *Metadata) {
	q.open("{")
	if q.has(`"version":`) {
		m.Version = q.text()
	}
	if q.has(`"uid":`) {
		m.UID = q.text()
	}
	if q.has(`"sequence":`) {
		m.Sequence = q.natural()
	}
	if q.has(`"product":`) {
		q.product(&m.Product)
	}
	if q.has(`"tenant_uid":`) {
		m.Tenant = q.id()
	}
	if q.has(`"reporter":`) {
		q.open("{")
		if q.has(`"uid":`) {
			m.Reporter.UID = q.id()
		}
		if q.has(`"hostname":`) {
			m.Reporter.Hostname = q.text()
		}
		q.shut("}")
	}
	if q.has(`"log_provider":`) {
		m.Provider = q.text()
	}
	if q.has(`"profiles":`) {
		m.Profiles = q.list()
	}
	if q.has(`"labels":`) {
		m.Labels = q.list()
	}
	if q.has(`"logged_time":`) {
		m.LoggedTime = q.long()
	}
	q.shut("}")
}

func (q *quick) product(p *Product) {
	q.open("{")
	if q.has(`"name":`) {
		p.Name = q.text()
	}
	if q.has(`"vendor_name":`) {
		p.VendorName = q.text()
	}
	if q.has(`"version":`) {
		p.Version = q.text()
	}
	if q.has(`"feature":`) {
		q.open("{")
		if q.has(`"name":`) {
			p.Feature.Name = q.text()
		}
		q.shut("}")
	}
	q.shut("}")
}

func (q *quick) device() *Device {
	d := new(Device)
	q.open("{")
	if q.has(`"hostname":`) {
		d.Hostname = q.text()
	}
	if q.has(`"uid":`) {
		d.UID = q.text()
	}
	if q.has(`"ip":`) {
		d.IP = q.text()
	}
	if q.has(`"type_id":`) {
		d.TypeID = q.int()
	}
	if q.has(`"os":`) {
		d.OS = new(OS)
		q.open("{")
		if q.has(`"name":`) {
			d.OS.Name = q.text()
		}
		if q.has(`"type_id":`) {
			d.OS.TypeID = q.int()
		}
		q.shut("}")
	}
	q.shut("}")
	return d
}

func (q *quick) actor() *Actor {
	a := new(Actor)
	q.open("{")
	if q.has(`"process":`) {
		a.Process = q.process(0)
	}
	if q.has(`"user":`) {
		a.User = q.user()
	}
	q.shut("}")
	return a
}

func (q *quick) user() *User {
	u := new(User)
	q.open("{")
	if q.has(`"name":`) {
		u.Name = q.text()
	}
	if q.has(`"uid":`) {
		u.UID = q.text()
	}
	if q.has(`"domain":`) {
		u.Domain = q.text()
	}
	q.shut("}")
	return u
}

// maxAncestors keeps a chain of parents well within maxDepth.
const maxAncestors = 8

func (q *quick) process(depth int) *Process {
	p := new(Process)
	q.fail = q.fail || depth > maxAncestors
	q.open("{")
	if q.has(`"pid":`) {
		p.PID = q.int()
	}
	if q.has(`"uid":`) {
		p.UID = q.text()
	}
	if q.has(`"name":`) {
		p.Name = q.text()
	}
	if q.has(`"cmd_line":`) {
		p.CmdLine = q.text()
	}
	if q.has(`"working_directory":`) {
		p.WorkingDirectory = q.text()
	}
	if q.has(`"integrity":`) {
		p.Integrity = q.text()
	}
	if q.has(`"created_time":`) {
		p.CreatedTime = q.long()
	}
	if q.has(`"terminated_time":`) {
		p.TerminatedTime = q.long()
	}
	if q.has(`"file":`) {
		p.File = q.file()
	}
	if q.has(`"user":`) {
		p.User = q.user()
	}
	if !q.fail && q.has(`"parent_process":`) {
		p.ParentProcess = q.process(depth + 1)
	}
	q.shut("}")
	return p
}

func (q *quick) file() *File {
	f := new(File)
	q.open("{")
	if q.has(`"path":`) {
		f.Path = q.text()
	}
	if q.has(`"name":`) {
		f.Name = q.text()
	}
	if q.has(`"type_id":`) {
		f.TypeID = q.int()
	}
	if q.has(`"hashes":`) {
		for q.open("["); q.next(); {
			var h Fingerprint
			q.open("{")
			if q.has(`"algorithm_id":`) {
				h.AlgorithmID = q.int()
			}
			if q.has(`"value":`) {
				h.Value = q.text()
			}
			q.shut("}")
			f.Hashes = append(f.Hashes, h)
		}
		q.shut("]")
		q.fail = q.fail || f.Hashes == nil
	}
	q.shut("}")
	return f
}

func (q *quick) endpoint() *Endpoint {
	p := new(Endpoint)
	q.open("{")
	if q.has(`"ip":`) {
		p.IP = q.text()
	}
	if q.has(`"port":`) {
		p.Port = q.int()
	}
	if q.has(`"hostname":`) {
		p.Hostname = q.text()
	}
	q.shut("}")
	return p
}

func (q *quick) connection() *ConnectionInfo {
	c := new(ConnectionInfo)
	q.open("{")
	if q.has(`"protocol_name":`) {
		c.ProtocolName = q.text()
	}
	if q.has(`"protocol_num":`) {
		c.ProtocolNum = q.int()
	}
	if q.has(`"direction_id":`) {
		c.DirectionID = q.int()
	}
	if q.has(`"uid":`) {
		c.UID = q.text()
	}
	q.shut("}")
	return c
}

func (q *quick) query() *DNSQueryInfo {
	d := new(DNSQueryInfo)
	q.open("{")
	if q.has(`"hostname":`) {
		d.Hostname = q.text()
	}
	if q.has(`"type":`) {
		d.Type = q.text()
	}
	if q.has(`"class":`) {
		d.Class = q.text()
	}
	q.shut("}")
	return d
}

func (q *quick) answers() (out []DNSAnswer) {
	for q.open("["); q.next(); {
		var a DNSAnswer
		q.open("{")
		if q.has(`"rdata":`) {
			a.RData = q.text()
		}
		if q.has(`"type":`) {
			a.Type = q.text()
		}
		if q.has(`"class":`) {
			a.Class = q.text()
		}
		if q.has(`"ttl":`) {
			a.TTL = q.int()
		}
		q.shut("}")
		out = append(out, a)
	}
	q.shut("]")
	q.fail = q.fail || out == nil
	return out
}

func (q *quick) policy() *Policy {
	p := new(Policy)
	q.open("{")
	if q.has(`"uid":`) {
		p.UID = q.text()
	}
	if q.has(`"name":`) {
		p.Name = q.text()
	}
	if q.has(`"desc":`) {
		p.Desc = q.text()
	}
	q.shut("}")
	return p
}
