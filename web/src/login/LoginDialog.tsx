import { useEffect, useState } from "preact/hooks";

import { acceptLink, login, providers, readLink } from "../api/auth.ts";
import { Problem } from "../api/problem.ts";
import type { ProviderOut } from "../api/schema.ts";
import { api } from "../session/client.ts";
import { t } from "../session/language.ts";
import { Dialog } from "../ui/Dialog.tsx";
import { Field } from "./Field.tsx";
import "./texts.ts";

const LINK = /^#link=(.+)$/;

/** Asks who is there, or for the password that a one-time link lets set. It stays until somebody is. */
export function LoginDialog() {
  const link = LINK.exec(location.hash)?.[1];
  return link === undefined ? <PasswordLogin /> : <LinkLogin link={decodeURIComponent(link)} />;
}

const stay = () => {};

/** The page begins anew, for the one who is there now: at the same place, with what was typed. */
function goOn(): void {
  if (LINK.test(location.hash)) history.replaceState(null, "", "#/");
  location.reload();
}

function PasswordLogin() {
  const { trouble, isBusy, submit } = useSubmit((form) => login(api, text(form, "name"), text(form, "password")));
  return (
    <Dialog title={t("login.title")} onClose={stay}>
      <form class="login" onSubmit={submit}>
        <Field label={t("login.name")} name="name" autocomplete="username" />
        <Field label={t("login.password")} name="password" type="password" autocomplete="current-password" />
        <Trouble text={trouble} />
        <button type="submit" class="button primary" disabled={isBusy}>
          {t("login.submit")}
        </button>
        <Providers />
      </form>
    </Dialog>
  );
}

function LinkLogin({ link }: { link: string }) {
  const [owner, setOwner] = useState<string | null | undefined>();
  const [refusal, setRefusal] = useState("");
  useEffect(() => {
    readLink(api, link).then(setOwner, (error: unknown) => setRefusal(reason(error)));
  }, []);
  const { trouble, isBusy, submit } = useSubmit((form) => acceptLink(api, link, owner ?? text(form, "name"), text(form, "password")));
  const title = typeof owner === "string" ? t("login.link.title", { name: owner }) : t("login.invite.title");
  return (
    <Dialog title={title} onClose={stay}>
      {refusal !== "" ? (
        <>
          <Trouble text={refusal} />
          <button type="button" class="button" onClick={goOn}>
            {t("login.title")}
          </button>
        </>
      ) : (
        <form class="login" onSubmit={submit}>
          {owner === null && <Field label={t("login.name")} name="name" autocomplete="username" />}
          <Field label={t("login.new_password")} name="password" type="password" autocomplete="new-password" minLength={12} />
          <Trouble text={trouble} />
          <button type="submit" class="button primary" disabled={isBusy || owner === undefined}>
            {t("login.set")}
          </button>
        </form>
      )}
    </Dialog>
  );
}

/** Buttons of the places where people may log in instead. */
function Providers() {
  const [found, setFound] = useState<readonly ProviderOut[]>([]);
  useEffect(() => {
    // Without them there is still the password.
    providers(api).then((answer) => setFound(answer.providers), stay);
  }, []);
  const back = `${location.pathname}${location.hash}`;
  return (
    <>
      {found.map(({ name, label }) => (
        <a key={name} class="button" href={`api/auth/oidc/${name}/start?return_to=${encodeURIComponent(back)}`}>
          {t("login.with", { name: label })}
        </a>
      ))}
    </>
  );
}

function Trouble({ text }: { text: string }) {
  return (
    <p class="dialog-trouble" role="alert" hidden={text === ""}>
      {text}
    </p>
  );
}

/** Sends a form by `send`; the page goes on when that was taken. */
function useSubmit(send: (form: FormData) => Promise<unknown>) {
  const [trouble, setTrouble] = useState("");
  const [isBusy, setIsBusy] = useState(false);
  const submit = (event: Event) => {
    event.preventDefault();
    if (!(event.target instanceof HTMLFormElement)) return;
    setTrouble("");
    setIsBusy(true);
    send(new FormData(event.target)).then(goOn, (error: unknown) => {
      setIsBusy(false);
      setTrouble(reason(error));
    });
  };
  return { trouble, isBusy, submit };
}

/** Why it did not work: in the server's words, which say nothing of whether a name exists. */
function reason(error: unknown): string {
  return error instanceof Problem && error.detail !== "" ? error.detail : t("login.unreachable");
}

function text(form: FormData, name: string): string {
  const value = form.get(name);
  return typeof value === "string" ? value : "";
}
