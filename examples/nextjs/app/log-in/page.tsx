import { redirect } from 'next/navigation';
import { currentSession } from '@/lib/vestibule';
import { AccountForm } from '../account-form';

export default async function LogIn() {
  if (await currentSession()) redirect('/dashboard');
  return (
    <AccountForm
      kind="logIn"
      fields={[
        { name: 'email', label: 'Email', type: 'email', autoComplete: 'username' },
        { name: 'password', label: 'Password', type: 'password', autoComplete: 'current-password' },
      ]}
    />
  );
}
