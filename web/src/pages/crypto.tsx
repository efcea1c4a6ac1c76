// 暗号の備え Cryptography: what protects the open ports, and whether it stands
// against quantum computers.
import { useQuery } from "@tanstack/react-query";
import { type Crypto, get, type Org, query, type Readiness } from "../api.ts";
import { useT } from "../i18n.ts";
import { setParams, useLocation } from "../route.ts";
import { Failed, Lead } from "../ui.tsx";
import { day } from "./actions.tsx";
import { useOrg } from "./surface.tsx";

export function CryptoPage({ orgs }: { orgs: Org[] }) {
  const { t, lang, pick } = useT();
  const { params } = useLocation();
  const name = useOrg(orgs);
  const org = params.get("org") ?? "", show = params.get("show") ?? "not";
  const q = useQuery({ queryKey: ["surface", "crypto", org], queryFn: () => get<{ summary: Readiness; items: Crypto[] }>("/surface/crypto" + query({ org })) });
  const s = q.data?.summary;
  const items = (q.data?.items ?? []).filter((c) => (show === "all" ? true : show === "ready" ? c.post_quantum_ready : !c.post_quantum_ready));
  const not = s ? s.ports - s.ready : 0;
  return (
    <>
      <Lead urgent={not > 0} help="helpCrypto">{s && s.ports === 0 ? t("noCrypto") : not > 0 ? `${not} ${t("portsNotReady")}` : t("allReady")}</Lead>
      {q.error ? <Failed error={q.error} /> : null}
      {s && s.ports > 0 && (
        <section className="figures">
          <div><h2>{t("postQuantum")}</h2><p className="figure">{Math.round((100 * s.ready) / s.ports)}<small>% ({s.ready} / {s.ports})</small></p></div>
          <div><h2>{t("certsEnding")}</h2><p className={"figure" + (s.certificates_ending ? " amber" : "")}>{s.certificates_ending}</p></div>
          <Counts title={t("protocolVersions")} of={s.versions} /><Counts title={t("certificateKeys")} of={s.keys} />
        </section>
      )}
      <nav className="tabs" aria-label={t("filter")}>
        {(["not", "ready", "all"] as const).map((x) => <button key={x} aria-pressed={show === x} onClick={() => setParams({ show: x === "not" ? undefined : x })}>{t(x === "not" ? "notReady" : x)}</button>)}
        {orgs.length > 1 && <select aria-label={t("org")} value={org} onChange={(e) => setParams({ org: e.target.value })}><option value="">{t("org")}</option>{orgs.map((o) => <option key={o.id} value={o.id}>{pick(o.name, o.name_ja)}</option>)}</select>}
        <a className="muted" href={"/api/v1/surface/crypto.csv" + query({ org })} target="_blank" rel="noreferrer" download>{t("exportCsv")}</a>
      </nav>
      <section className="main">
        {q.data && items.length === 0 && <p className="empty">{t(s?.ports ? "emptyPorts" : "emptyCrypto")}</p>}
        {items.length > 0 && <table className="dense">
          <thead><tr><th>{t("postQuantum")}</th><th>{t("address")}</th><th>{t("org")}</th><th>{t("why_not")}</th><th>{t("protocolVersions")}</th><th>{t("certificate")}</th><th>{t("expires")}</th></tr></thead>
          <tbody>{items.map((c) => <tr key={c.address + c.place}><td className={c.post_quantum_ready ? "ok" : "amber"}>{c.post_quantum_ready ? "✓ " + t("ready") : "◇ " + t("notReady")}</td><td><a className="mono" href={"/surface?id=" + c.asset}>{c.address} {c.place}</a></td><td>{name(c.org)}</td><td>{pick(c.why, c.why_ja)}</td><td className="mono">{(c.versions ?? []).join(" ") || c.kind}</td><td>{c.signature && `${c.signature} ${c.key_bits || ""}`}</td><td className="num">{c.not_after ? day(c.not_after, lang) : "—"}</td></tr>)}</tbody>
        </table>}
      </section>
    </>
  );
}

function Counts({ title, of }: { title: string; of: Record<string, number> }) {
  const list = Object.entries(of).sort((a, b) => b[1] - a[1]).slice(0, 4);
  return <div><h2>{title}</h2><ul>{list.map(([k, n]) => <li key={k}><b className="num">{n}</b> <span className="mono muted">{k}</span></li>)}</ul></div>;
}
