'use client';

import { VestibuleError } from '@vestibule/client';
import { useState, type FormEvent } from 'react';
import { client, nextPage } from '@/lib/client';

interface Field {
  name: 'name' | 'email' | 'password';
  label: string;
  type: string;
  autoComplete: string;
}

/** The form to sign up or to log in. */
export function AccountForm({ kind, fields }: { kind: 'signUp' | 'logIn'; fields: Field[] }) {
  const [error, setError] = useState<VestibuleError>();
  const [isMailed, setIsMailed] = useState(false);
  const label = kind === 'signUp' ? 'Sign up' : 'Log in';

  async function send(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const typed = { name: `${form.get('name') ?? ''}`, email: `${form.get('email')}`, password: `${form.get('password')}` };
    try {
      // A whole page and not a step of the router: everything that was rendered for a stranger is gone.
      if (await client[kind](typed)) location.assign(nextPage());
      else setIsMailed(true);
    } catch (caught) {
      if (!(caught instanceof VestibuleError)) throw caught;
      setError(caught);
    }
  }

  if (isMailed) return <p role="status">A mail is on its way to you: open its link to go on.</p>;
  return (
    <form onSubmit={send}>
      <h1>{label}</h1>
      {error && <p role="alert">{error.message}</p>}
      {fields.map(({ name, label, type, autoComplete }) => (
        <label key={name}>
          {label}
          <input name={name} type={type} autoComplete={autoComplete} required aria-describedby={`${name}-error`} />
          <span id={`${name}-error`} className="error">{error?.fields[name]?.message}</span>
        </label>
      ))}
      <button>{label}</button>
      {kind === 'logIn' && <p><a href="/forgot-password">Forgot your password?</a></p>}
    </form>
  );
}
