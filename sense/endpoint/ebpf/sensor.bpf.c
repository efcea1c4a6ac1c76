//go:build ignore

// SPDX-License-Identifier: Apache-2.0 OR BSD-2-Clause OR GPL-2.0-only
//
// The kernel's side of the endpoint sensor: process starts and ends, TCP
// connects and accepts, DNS queries. Only BTF tracepoints and cgroup hooks are
// used, and of the kernel's structures only the fields declared here (CO-RE), so
// that one object runs on many kernels. What does not fit into the ring is
// counted in dropped: no loss is silent.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_endian.h>

#define ARGS_MAX 4096
#define FILE_MAX 256
#define DNS_MAX 512
#define AF_INET 2
#define AF_INET6 10
#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT 2

#define KERNEL __attribute__((preserve_access_index))

typedef struct { unsigned int val; } KERNEL kuid_t;
struct cred { kuid_t uid; } KERNEL;
struct mm_struct { unsigned long arg_start, arg_end; } KERNEL;
struct sock;
struct socket { struct sock *sk; short type; } KERNEL;
struct file { void *private_data; const void *f_op; } KERNEL;
struct fdtable { struct file **fd; unsigned int max_fds; } KERNEL;
struct files_struct { struct fdtable *fdt; } KERNEL;
struct task_struct {
	int pid, tgid;
	int exit_code;
	struct task_struct *real_parent, *group_leader;
	const struct cred *cred;
	struct mm_struct *mm;
	struct files_struct *files;
	unsigned long long start_boottime;
	char comm[16];
} KERNEL;
struct linux_binprm { const char *filename; } KERNEL;
struct in6_addr { unsigned char s6_addr[16]; } KERNEL;
struct sock_common {
	unsigned int skc_daddr, skc_rcv_saddr;
	unsigned short skc_dport, skc_num, skc_family;
	unsigned char skc_state;
	struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
} KERNEL;
struct sock { struct sock_common __sk_common; unsigned short sk_protocol; } KERNEL;
struct pt_regs___x86 { unsigned long orig_ax; } KERNEL;
struct pt_regs___arm64 { int syscallno; } KERNEL;

enum { EXEC = 1, EXIT = 2, CONNECT = 3, ACCEPT = 4, DNS = 5 };

struct header {
	__u32 type, pid, ppid, uid;
	__u64 at;    // nanoseconds since boot
	__u64 start; // of the process, nanoseconds since boot
	char comm[16];
};
struct exec_event {
	struct header h;
	__u32 args_len, args_total;
	char file[FILE_MAX];
	char args[ARGS_MAX];
};
struct exit_event {
	struct header h;
	__s32 code;
	__u32 pad;
};
struct net_event {
	struct header h;
	__u16 family, lport, rport, len; // ports in host order
	__u8 local[16], remote[16];
};
struct dns_event {
	struct net_event n;
	__u8 payload[DNS_MAX];
};
struct owner {
	__u32 pid, ppid, uid, pad;
	__u64 start;
	char comm[16];
};

struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 8 << 20); } ring SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, struct exec_event); } scratch SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, __u64); } dropped SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 16384); __type(key, __u64); __type(value, struct owner); } owners SEC(".maps");

// A wake-up for each event costs ten times the event: the reader looks by
// itself every few milliseconds, and is woken only when much has gathered.
static __always_inline void put(void *data, __u64 len)
{
	__u64 flags = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) > (256 << 10) ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
	if (bpf_ringbuf_output(&ring, data, len, flags) == 0)
		return;
	__u32 zero = 0;
	__u64 *n = bpf_map_lookup_elem(&dropped, &zero);
	if (n)
		(*n)++;
}

static __always_inline void describe(struct header *h, __u32 type, struct task_struct *t)
{
	h->type = type;
	h->pid = BPF_CORE_READ(t, tgid);
	h->ppid = BPF_CORE_READ(t, real_parent, tgid);
	h->uid = BPF_CORE_READ(t, cred, uid.val);
	h->at = bpf_ktime_get_boot_ns();
	h->start = BPF_CORE_READ(t, group_leader, start_boottime);
	BPF_CORE_READ_STR_INTO(&h->comm, t, comm);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *t, int old_pid, struct linux_binprm *bprm)
{
	__u32 zero = 0;
	struct exec_event *e = bpf_map_lookup_elem(&scratch, &zero);
	if (!e)
		return 0;
	describe(&e->h, EXEC, t);
	e->file[0] = 0;
	bpf_probe_read_kernel_str(e->file, sizeof(e->file), BPF_CORE_READ(bprm, filename));
	unsigned long from = BPF_CORE_READ(t, mm, arg_start), to = BPF_CORE_READ(t, mm, arg_end);
	__u32 len = to > from ? to - from : 0;
	e->args_total = len;
	if (len > ARGS_MAX)
		len = ARGS_MAX;
	asm volatile("" : "+r"(len));
	if (len > ARGS_MAX || bpf_probe_read_user(e->args, len, (void *)from))
		len = 0;
	e->args_len = len;
	put(e, __builtin_offsetof(struct exec_event, args) + (len & (2 * ARGS_MAX - 1)));
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *t)
{
	if (BPF_CORE_READ(t, pid) != BPF_CORE_READ(t, tgid))
		return 0;
	struct exit_event e = {};
	describe(&e.h, EXIT, t);
	e.code = BPF_CORE_READ(t, exit_code);
	put(&e, sizeof(e));
	return 0;
}

static __always_inline void endpoints(struct net_event *e, const struct sock *sk)
{
	e->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	e->lport = BPF_CORE_READ(sk, __sk_common.skc_num);
	e->rport = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	if (e->family == AF_INET) {
		__u32 l = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr), r = BPF_CORE_READ(sk, __sk_common.skc_daddr);
		__builtin_memcpy(e->local, &l, 4);
		__builtin_memcpy(e->remote, &r, 4);
	} else {
		BPF_CORE_READ_INTO(&e->local, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&e->remote, sk, __sk_common.skc_v6_daddr);
	}
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_state, const struct sock *sk, int old, int new)
{
	// Only here is the connecting process the current one.
	if (new != TCP_SYN_SENT || BPF_CORE_READ(sk, sk_protocol) != 6)
		return 0;
	struct net_event e = {};
	describe(&e.h, CONNECT, (struct task_struct *)bpf_get_current_task_btf());
	endpoints(&e, sk);
	put(&e, sizeof(e));
	return 0;
}

// An accepted connection is established in an interrupt, whoever runs then: the
// process is known when accept returns.
SEC("tp_btf/sys_exit")
int BPF_PROG(on_sys_exit, struct pt_regs *regs, long ret)
{
	long nr = -1;
	if (bpf_core_field_exists(((struct pt_regs___x86 *)0)->orig_ax)) {
		nr = BPF_CORE_READ((struct pt_regs___x86 *)regs, orig_ax);
		if (nr != 43 && nr != 288)
			return 0;
	} else if (bpf_core_field_exists(((struct pt_regs___arm64 *)0)->syscallno)) {
		nr = BPF_CORE_READ((struct pt_regs___arm64 *)regs, syscallno);
		if (nr != 202 && nr != 242)
			return 0;
	}
	if (nr < 0 || ret < 0)
		return 0;
	struct task_struct *t = (struct task_struct *)bpf_get_current_task_btf();
	struct fdtable *fdt = BPF_CORE_READ(t, files, fdt);
	if (ret >= BPF_CORE_READ(fdt, max_fds))
		return 0;
	struct file **fds = BPF_CORE_READ(fdt, fd), *f = 0;
	bpf_probe_read_kernel(&f, sizeof(f), fds + ret);
	struct socket *s = BPF_CORE_READ(f, private_data);
	struct sock *sk = BPF_CORE_READ(s, sk);
	struct net_event e = {};
	endpoints(&e, sk);
	if ((e.family != AF_INET && e.family != AF_INET6) || BPF_CORE_READ(sk, sk_protocol) != 6)
		return 0;
	describe(&e.h, ACCEPT, t);
	put(&e, sizeof(e));
	return 0;
}

// A packet does not know its process; its socket's cookie does, since connect or
// sendmsg told whose it is.
static __always_inline int own(struct bpf_sock_addr *ctx)
{
	if (ctx->user_port != bpf_htons(53))
		return 1;
	struct task_struct *t = (struct task_struct *)bpf_get_current_task_btf();
	__u64 cookie = bpf_get_socket_cookie(ctx);
	struct owner o = {};
	o.pid = BPF_CORE_READ(t, tgid);
	o.ppid = BPF_CORE_READ(t, real_parent, tgid);
	o.uid = BPF_CORE_READ(t, cred, uid.val);
	o.start = BPF_CORE_READ(t, group_leader, start_boottime);
	BPF_CORE_READ_STR_INTO(&o.comm, t, comm);
	bpf_map_update_elem(&owners, &cookie, &o, BPF_ANY);
	return 1;
}

SEC("cgroup/connect4") int on_connect4(struct bpf_sock_addr *ctx) { return own(ctx); }
SEC("cgroup/connect6") int on_connect6(struct bpf_sock_addr *ctx) { return own(ctx); }
SEC("cgroup/sendmsg4") int on_sendmsg4(struct bpf_sock_addr *ctx) { return own(ctx); }
SEC("cgroup/sendmsg6") int on_sendmsg6(struct bpf_sock_addr *ctx) { return own(ctx); }

SEC("cgroup_skb/egress")
int on_egress(struct __sk_buff *skb)
{
	__u8 first = 0, proto = 0;
	__u32 off;
	if (bpf_skb_load_bytes(skb, 0, &first, 1))
		return 1;
	if (first >> 4 == 4) {
		off = (first & 15) * 4;
		bpf_skb_load_bytes(skb, 9, &proto, 1);
	} else {
		off = 40;
		bpf_skb_load_bytes(skb, 6, &proto, 1);
	}
	__be16 ports[2] = {};
	if (proto != 17 || bpf_skb_load_bytes(skb, off, ports, 4) || ports[1] != bpf_htons(53))
		return 1;
	__u32 zero = 0;
	struct dns_event *e = bpf_map_lookup_elem(&scratch, &zero);
	if (!e)
		return 1;
	__builtin_memset(&e->n, 0, sizeof(e->n));
	e->n.h.type = DNS;
	e->n.h.at = bpf_ktime_get_boot_ns();
	e->n.lport = bpf_ntohs(ports[0]);
	e->n.rport = 53;
	if (first >> 4 == 4) {
		e->n.family = AF_INET;
		bpf_skb_load_bytes(skb, 12, e->n.local, 4);
		bpf_skb_load_bytes(skb, 16, e->n.remote, 4);
	} else {
		e->n.family = AF_INET6;
		bpf_skb_load_bytes(skb, 8, e->n.local, 16);
		bpf_skb_load_bytes(skb, 24, e->n.remote, 16);
	}
	__u64 cookie = bpf_get_socket_cookie(skb);
	struct owner *o = bpf_map_lookup_elem(&owners, &cookie);
	if (o) {
		e->n.h.pid = o->pid;
		e->n.h.ppid = o->ppid;
		e->n.h.uid = o->uid;
		e->n.h.start = o->start;
		__builtin_memcpy(e->n.h.comm, o->comm, sizeof(o->comm));
	}
	__u32 len = skb->len > off + 8 ? skb->len - off - 8 : 0;
	if (len > DNS_MAX)
		len = DNS_MAX;
	asm volatile("" : "+r"(len));
	if (len == 0 || len > DNS_MAX || bpf_skb_load_bytes(skb, off + 8, e->payload, len))
		return 1;
	e->n.len = len;
	put(e, sizeof(e->n) + (len & (2 * DNS_MAX - 1)));
	return 1;
}

char _license[] SEC("license") = "Dual BSD/GPL";
