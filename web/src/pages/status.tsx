// 稼働状況 Status: the line hop by hop, what waits where and why, and the parts
// on which it stands.
import { useQuery } from "@tanstack/react-query";
import { get, type Fact, type Org, type Part, type Status, type StatusHop, type Text } from "../api.ts";
import { bytes, clockTime, duration, type Key, keys, type Lang, useT } from "../i18n.ts";
import { useCursor, useKeys } from "../keys.ts";
import { setParams, useLocation } from "../route.ts";
import { Failed, Lead, StateMark } from "../ui.tsx";

export const useStatus = () => useQuery({ queryKey: ["status"], queryFn: () => get<Status>("/status"), refetchInterval: 5_000 });

const hopID = (h: StatusHop) => "hop:" + h.name;
const partID = (p: Part) => [p.kind, p.name, p.id ?? "", p.hub ?? ""].join(":");
const kindKeys: Record<string, Key> = { store: "eventStore", look_back: "lookBack" };
const rank = { stuck: 0, slow: 1, fine: 2 };

export function StatusPage({ orgs }: { orgs: Org[] }) {
  const { t, lang, pick, word } = useT();
  const { params } = useLocation();
  const q = useStatus();
  const st = q.data;
  // Trouble comes first; what is equal keeps the order in which data flows.
  const parts = (st?.parts ?? []).map((p) => ({ ...p, key: p.id ?? "", id: partID(p) })).sort((a, b) => rank[a.state] - rank[b.state]);
  const hops = (st?.hops ?? []).map((h) => ({ ...h, id: hopID(h) }));
  const worst = [...hops].sort((a, b) => rank[a.state] - rank[b.state])[0];
  const at = params.get("at") ?? (worst && worst.state !== "fine" ? worst.id : undefined);
  const select = (id: string) => setParams({ at: id });
  const along = useCursor(hops, at, select);
  useKeys({ ...useCursor(parts, at, select), ArrowRight: along.j, ArrowLeft: along.k, Escape: () => setParams({ at: undefined }) });
  if (q.error) return <Failed error={q.error} />;
  if (!st) return <div className="skeleton" />;
  const hop = hops.find((h) => h.id === at), part = parts.find((p) => p.id === at);
  const org = (id?: string) => { const o = orgs.find((x) => x.id === id); return o ? pick(o.name, o.name_ja) : ""; };
  return (
    <>
      <Lead urgent={st.state !== "fine"} at={st.as_of} help="helpStatus">{text(st.why, lang)} {text(st.do, lang)}</Lead>
      <ol className="way" aria-label={t("hopsOfLine")}>
        {hops.map((h) => <Hop key={h.id} h={h} on={h.id === at} open={() => select(h.id)} />)}
      </ol>
      <div className="split">
        <section className="main scroll">
          <h2>{t("nodes")} <small className="muted"><a href="/nodes">{st.nodes.active}</a> {t("active")} · <a href="/nodes">{st.nodes.away}</a> {t("away")} · <a href="/nodes">{st.nodes.cut}</a> {t("cut")} · <a href="/nodes">{st.nodes.trouble}</a> {t("withTrouble")}</small></h2>
          <h2>{t("parts")} <small className="muted">{t("troubleFirst")}</small></h2>
          {parts.length === 0 && <p className="empty">{t("noParts")}</p>}
          {parts.length > 0 && (
            <table className="dense">
              <thead><tr><th>{t("state")}</th><th>{t("kind")}</th><th>{t("name")}</th><th className="num">{t("lag")}</th><th>{t("what")}</th></tr></thead>
              <tbody>
                {parts.map((p) => (
                  <tr key={p.id} id={p.id} className={p.id === at ? "on" : ""} aria-selected={p.id === at} onClick={() => select(p.id)}>
                    <td><StateMark state={p.state} /></td><td><Kind kind={p.kind} /></td><td className="partname" title={p.name}>{word(p.name) || "—"} {p.org && <small className="muted">{org(p.org)}</small>}</td>
                    <td className="num">{p.kind === "disk" ? <Room part={p} /> : p.lag_ms === null ? "—" : duration(p.lag_ms, lang).join(" ")}</td><td className="why">{text(p.why, lang)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </section>
        <aside className="peek" aria-label={t("what")}>
          {hop ? <HopDetail h={hop} /> : part ? <PartDetail p={{ ...part, id: part.key }} org={org(part.org)} /> : <p className="empty">{t("pickHop")}</p>}
        </aside>
      </div>
    </>
  );
}

export const text = (x: Text, lang: Lang) => (lang === "ja" ? x.ja : x.en);

function Hop({ h, on, open }: { h: StatusHop; on: boolean; open: () => void }) {
  const { t, lang, word } = useT();
  return (
    <li className={"way-" + h.state}>
      <button id={hopID(h)} aria-pressed={on} onClick={open}>
        <span className="hopname">{word(h.name)}</span>
        <span className="dot" aria-hidden="true" />
        <b>{h.oldest_ms === null ? "—" : duration(h.oldest_ms, lang).join(" ")}</b>
        <StateMark state={h.state} />
      </button>
      <small className="muted">
        {h.waiting !== null && <><Rows to={h.rows}>{h.waiting.toLocaleString(lang)}</Rows> {unit(h.unit, word)}</>}
        {h.waiting !== null && h.per_second !== null && " · "}
        {h.per_second !== null && <><Rows to={h.rows}>{h.per_second.toFixed(1)}</Rows> {t("aSecond")}</>}
      </small>
    </li>
  );
}

function Rows({ to, children }: { to: string; children: React.ReactNode }) {
  return to ? <a href={to}>{children}</a> : <>{children}</>;
}

const unit = (u: string, word: (v: string) => string) => word("unit_" + u).replace("unit_", "");

function Kind({ kind }: { kind: string }) {
  const { t, word } = useT();
  return <>{kindKeys[kind] ? t(kindKeys[kind]) : word(kind)}</>;
}

function Explained({ why, todo, since }: { why: Text; todo: Text; since: string }) {
  const { t, lang } = useT();
  return (
    <>
      <p>{text(why, lang)}</p>
      {todo.en && <><h3>{t("whatToDo")}</h3><p>{text(todo, lang)}</p></>}
      <p className="muted">{t("since")} {clockTime(since, lang)}</p>
    </>
  );
}

function HopDetail({ h }: { h: StatusHop }) {
  const { t, lang, word } = useT();
  return (
    <article>
      <h2>{word(h.name)} <StateMark state={h.state} /></h2>
      <p className="muted">{t(("hop_" + h.name) as Key)}</p>
      <Explained why={h.why} todo={h.do} since={h.since} />
      <dl className="fields">
        <div><dt>{t("oldest")}</dt><dd>{h.oldest_ms === null ? t("nothingWaits") : duration(h.oldest_ms, lang).join(" ")}</dd></div>
        {h.waiting !== null && <div><dt>{t("waitingNow")}</dt><dd><Rows to={h.rows}>{h.waiting.toLocaleString(lang)}</Rows> {unit(h.unit, word)}</dd></div>}
        {h.bytes !== null && <div><dt>{t("spooled")}</dt><dd>{bytes(h.bytes)}</dd></div>}
        {h.per_second !== null && <div><dt>{t("perSecond")}</dt><dd><Rows to={h.rows}>{h.per_second.toFixed(1)}</Rows></dd></div>}
      </dl>
      {h.rows && <p className="actions"><a href={h.rows}>{t("openRows")}</a></p>}
    </article>
  );
}

function PartDetail({ p, org }: { p: Part; org: string }) {
  const { t, lang, word } = useT();
  return (
    <article>
      <h2>{word(p.name) || <Kind kind={p.kind} />} <StateMark state={p.state} /></h2>
      <p className="muted"><Kind kind={p.kind} />{org && " · " + org}{p.hub && ` · ${t("hub")} ${p.hub}`}</p>
      {p.kind === "disk" && <Room part={p} wide />}
      <Explained why={p.why} todo={p.do} since={p.since} />
      <dl className="fields">
        {p.lag_ms !== null && <div><dt>{t("lag")}</dt><dd>{duration(p.lag_ms, lang).join(" ")}</dd></div>}
        {p.facts.map((f) => <div key={f.name}><dt>{factName(f.name, t)}</dt><dd><Rows to={p.rows}>{factValue(f, lang)}</Rows></dd></div>)}
        {p.id && <div><dt>id</dt><dd>{p.id}</dd></div>}
      </dl>
      {p.rows && <p className="actions"><a href={p.rows}>{t("openRows")}</a></p>}
    </article>
  );
}

function factName(name: string, t: (k: Key) => string) {
  const key = ("fact_" + name) as Key;
  return keys.includes(key) ? t(key) : name.replaceAll("_", " ");
}

export function factValue(f: Fact, lang: Lang): string {
  switch (f.unit) {
    case "bytes": return bytes(f.value);
    case "percent": return f.value.toFixed(1) + " %";
    case "seconds": return f.value >= 86_400 ? (f.value / 86_400).toFixed(0) + (lang === "ja" ? "日" : " days") : duration(f.value * 1000, lang).join(" ");
    case "time": return clockTime(new Date(f.value * 1000).toISOString(), lang);
    case "count": return f.value.toLocaleString(lang);
  }
  return f.text ?? String(f.value);
}

// Room is how full a disk is, with a mark where the brake closes.
function Room({ part, wide }: { part: Part; wide?: boolean }) {
  const { t } = useT();
  const value = (name: string) => part.facts.find((f) => f.name === name)?.value;
  const total = value("total") || 1, free = value("free") ?? 0, brake = value("brake_below");
  const used = 100 * (1 - free / total);
  return (
    <>{!wide && bytes(free)} <span className={"room" + (wide ? " wide" : "")} role="img" aria-label={`${t("fact_free")} ${bytes(free)} / ${bytes(total)}`}>
      <i className={part.state} style={{ width: used + "%" }} />
      {brake !== undefined && <b style={{ left: `${100 * (1 - brake / total)}%` }} />}
    </span></>
  );
}

// Brake is said on every page while the disk's brake is closed.
export function Brake() {
  const { t, lang } = useT();
  const full = useStatus().data?.parts?.find((p) => p.kind === "disk" && p.state === "stuck");
  if (!full) return null;
  return <p role="alert" className="banner"><span aria-hidden="true">✕ </span><b>{t("brakeClosed")}</b> {text(full.why, lang)} <a href={"/status?at=" + encodeURIComponent(partID(full))}>{t("whatToDo")}</a></p>;
}
