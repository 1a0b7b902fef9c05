import { redirect } from 'next/navigation';
import { currentSession } from '@/lib/vestibule';
import { AccountForm } from '../account-form';

export default async function SignUp() {
  if (await currentSession()) redirect('/dashboard');
  return (
    <AccountForm
      kind="signUp"
      fields={[
        { name: 'name', label: 'Name', type: 'text', autoComplete: 'name' },
        { name: 'email', label: 'Email', type: 'email', autoComplete: 'username' },
        { name: 'password', label: 'Password', type: 'password', autoComplete: 'new-password' },
      ]}
    />
  );
}
