// 狼煙 Beacon: how fast, who is not protected, what waits, and each signal's run.
import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { type Beacon, get, type Signal, type Tower } from "../api.ts";
import { clockTime, duration, type Key, useT } from "../i18n.ts";
import { useCursor, useKeys } from "../keys.ts";
import { go, setParams, useLocation } from "../route.ts";
import { Failed, Hops, Lead, Realm, StateMark, Value } from "../ui.tsx";

export function BeaconPage() {
  const { t, lang } = useT();
  const { params } = useLocation();
  const q = useQuery({ queryKey: ["beacon"], queryFn: () => get<Beacon>("/beacon"), refetchInterval: 10_000 });
  const signals = (q.data?.signals ?? []).map((s) => ({ ...s, id: s.indicator.id }));
  const at = params.get("signal") ?? signals[0]?.id;
  useKeys({ ...useCursor(signals, at, (id) => setParams({ signal: id })), Enter: () => at && go("/indicators?id=" + at) });
  if (q.error) return <Failed error={q.error} />;
  const b = q.data;
  if (!b) return <div className="skeleton" />;
  const shown = signals.find((s) => s.id === at);
  const [p50, unit] = b.time_to_protect.p50_ms === null ? ["—", ""] : duration(b.time_to_protect.p50_ms, lang);
  return (
    <>
      <Lead urgent={b.held > 0} at={b.as_of} help="helpBeacon">
        {b.held > 0 ? <a href="/indicators?state=held">{b.held} {t("needsYou")}</a> : t("allCalm")}
      </Lead>
      <section className="figures" aria-label={t("timeToProtect")}>
        <div>
          <h2>{t("timeToProtect")} · {t("median")}</h2>
          <p className="figure ember">{p50}<small>{unit}</small></p>
          <p className="muted">{b.time_to_protect.p99_ms !== null && <>p99 {duration(b.time_to_protect.p99_ms, lang).join(" ")} · </>}{t("last24")} · {b.time_to_protect.count} {t("signals")}</p>
        </div>
        <div>
          <h2>{t("notYet")}</h2>
          <p className="figure"><a href="/nodes">{b.edges.total - b.edges.protected}</a><small>/ {b.edges.total}</small></p>
          <p className="muted">{b.edges.behind.length === 0 ? t("nobody") : b.edges.behind.slice(0, 3).map((e) => e.name).join(" · ")}</p>
        </div>
        <div>
          <h2>{t("falseBlock")}</h2>
          <p className="figure"><a href="/indicators?state=revoked">{b.false_block.rate === null ? "—" : (b.false_block.rate * 100).toFixed(1)}</a><small>%</small></p>
          <p className="muted">{b.false_block.revoked} / {b.false_block.blocks} {t("blocks")}</p>
        </div>
        <div>
          <h2>{t("heldByGate")}</h2>
          <p className={"figure" + (b.held ? " amber" : "")}><a href="/indicators?state=held">{b.held}</a></p>
          <p className="muted">{b.held ? t("needsYou") : t("allCalm")}</p>
        </div>
      </section>
      <div className="split">
        <section className="main">
          {shown ? <Run signal={shown} /> : <p className="empty">{t("noSignalYet")}。<br />{t("tryDrill")}</p>}
          <Towers towers={b.towers} />
        </section>
        <aside className="list" aria-label={t("listOfSignals")}>
          <h2>{t("listOfSignals")} <small className="muted">{t("jk")}</small></h2>
          {signals.map((s) => <Line key={s.id} s={s} on={s.id === at} />)}
        </aside>
      </div>
      <Strip data={b.activity ?? []} />
    </>
  );
}

function Run({ signal }: { signal: Signal }) {
  const { lang, pick } = useT();
  const i = signal.indicator;
  const seen = useRef(i.id);
  const [running, setRunning] = useState(false);
  // The ember runs the line once, when a signal is new.
  useEffect(() => {
    if (seen.current === i.id && Date.now() - Date.parse(i.created) > 15_000) return;
    seen.current = i.id;
    setRunning(true);
    const id = setTimeout(() => setRunning(false), 1600);
    return () => clearTimeout(id);
  }, [i.id, i.created]);
  return (
    <div className="run">
      <h2><a href={"/indicators?id=" + i.id}><Value ind={i} /></a> <Realm realm={i.realm} /> <StateMark state={i.state} /></h2>
      <p className="muted">{clockTime(i.created, lang)} · {i.tlp} · {i.pap} · {pick(i.reason, i.reason_ja)}</p>
      <Hops hops={signal.hops} running={running} />
    </div>
  );
}

function Line({ s, on }: { s: Signal & { id: string }; on: boolean }) {
  const { t, lang, pick } = useT();
  const i = s.indicator;
  const enforced = s.hops[5].ms;
  return (
    <button id={s.id} className={"signal" + (on ? " on" : "")} aria-current={on} onClick={() => setParams({ signal: s.id })}>
      <span className="mono">{i.observable.value}</span>
      <b>{enforced === null ? "—" : duration(enforced, lang).join(" ")}</b>
      <small className="muted"><Realm realm={i.realm} />{pick(i.reason, i.reason_ja)}</small>
      <small className={i.state === "held" ? "amber" : s.acknowledged === s.edges ? "ok" : "ember"}>
        {i.state === "held" ? t("waitsForPerson") : i.state === "revoked" ? t("revoked") : `${s.acknowledged} / ${s.edges}`}
      </small>
    </button>
  );
}

function Towers({ towers }: { towers: Tower[] }) {
  const { t, word, pick } = useT();
  const total = towers.reduce((n, s) => n + s.orgs.length, 0);
  const few = total <= 24;
  return (
    <div className="towers">
      <h2>{t("towers")} <small className="muted">{t("towersKey")} · {total}</small></h2>
      {towers.map((s) => (
        <div key={s.sector} className="sector">
          <span>{s.sector === "centre" ? t("centreSector") : word(s.sector)}</span><span className="muted num">{s.orgs.length}</span>
          <ul className={few ? "few" : ""}>
            {s.orgs.map((o) => (
              <li key={o.id} title={`${pick(o.name, o.name_ja)} ${o.confirmed}/${o.edges}`}>
                <svg viewBox="0 0 16 18" className={"tower " + o.state} role="img" aria-label={`${pick(o.name, o.name_ja)}: ${o.confirmed} / ${o.edges} ${t("ofEdges")}`}>
                  {o.state === "none" ? <circle cx="8" cy="13" r="2" /> : <path d="M8 2 13.5 16H2.5Z" />}
                </svg>
                {few && <span>{pick(o.name, o.name_ja)}</span>}
              </li>
            ))}
          </ul>
        </div>
      ))}
    </div>
  );
}

function Strip({ data }: { data: { start: string; events: number; signals: number }[] }) {
  const { t, lang } = useT();
  const most = Math.max(1, ...data.map((d) => d.events));
  const w = 960, h = 44;
  const x = (i: number) => (i / Math.max(1, data.length - 1)) * w;
  const line = data.map((d, i) => `${x(i).toFixed(1)},${(h - (Math.log1p(d.events) / Math.log1p(most)) * (h - 8)).toFixed(1)}`).join(" ");
  return (
    <section className="strip" aria-label={`${t("last24")}: ${t("eventsPer15")}`}>
      <svg viewBox={`0 0 ${w} ${h}`} preserveAspectRatio="none" aria-hidden="true">
        <polygon className="area" points={`0,${h} ${line} ${w},${h}`} />
        <polyline className="curve" points={line} />
        {data.map((d, i) => d.signals > 0 && <path key={d.start} className="flame" d={`M${x(i) - 4} ${h} L${x(i)} ${h - 14 - Math.min(20, d.signals * 3)} L${x(i) + 4} ${h}Z`} />)}
      </svg>
      <div className="hours muted">{data.filter((_, i) => i % 12 === 0).map((d) => <span key={d.start}>{new Date(d.start).toLocaleTimeString(lang === "ja" ? "ja-JP" : "en-GB", { hour: "2-digit", minute: "2-digit" })}</span>)}</div>
    </section>
  );
}

export const hopNames: Key[] = ["sensed", "found", "decided", "durable", "received", "enforced", "acknowledged"];
