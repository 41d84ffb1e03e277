using System.Runtime.CompilerServices;

namespace ManyHands.Platform;

/// <summary>How an attempt to enter a <see cref="RobustLock"/> ended.</summary>
internal enum LockOutcome
{
    TimedOut,
    Entered,

    /// <summary>Entered, and who had it before ended without leaving: what it guards may be half changed.</summary>
    EnteredAbandoned,
}

/// <summary>
/// A lock in a word of 8 bytes (8-byte aligned) that any process of the machine may map. Its owner is a process: threads of one exclude each other, but any of them may leave. Zero is free.
/// </summary>
/// <remarks>
/// <code>
///  63            32 31      30      22 21        0
/// +----------------+--------+----------+----------+
/// | owner's start  | waiters| 0        | owner's  |
/// | time, low half |        |          | number   |
/// +----------------+--------+----------+----------+
/// </code>
/// The low half is the futex. A process that died leaves its identity, and by that whoever waits finds out after 20 to 200 ms, or at the end of its time. It takes over from exactly that state, so
/// only one does. What cannot be an identity is taken over at once, as abandoned. A process that is stopped owns what it owns,
/// and so does one that can't be looked at.
/// Waiters that are killed may have had the wake-up that was meant for the next: then that one looks again after at most 200 ms. Processes have to see each other under the same numbers (one pid namespace).
/// </remarks>
internal static unsafe partial class RobustLock
{
    private const ulong Waiters = 1UL << 31;
    private const uint HighestNumber = 1 << 22;

    // No process has number 0.
    private const ulong Abandoned = 1UL << 32;

    /// <summary>About two microseconds: a sleep and a wake-up cost more than ten times that.</summary>
    private const int Spins = 60;

    // Others change the word meanwhile in every round; then it is as good as held.
    private const int MostRounds = 1000;

    /// <summary>This process as the word's owner.</summary>
    public static readonly ulong Own = ((ulong)ProcessIdentity.Current.Start << 32) | (uint)ProcessIdentity.Current.Id;
    private static readonly bool MaySpin = Environment.ProcessorCount > 1;

    /// <summary>Enters if it is free; looks no further.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryEnterFree(ulong* word) => Interlocked.CompareExchange(ref *word, Own, 0) == 0;

    /// <summary>Enters if nobody alive holds it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryEnter(ulong* word, out bool wasAbandoned)
    {
        wasAbandoned = false;
        return Interlocked.CompareExchange(ref *word, Own, 0) == 0 || Take(word, Own, thorough: true, wait: false, out wasAbandoned, out _);
    }

    /// <summary>One step of a wait that is for more than the lock: enters, or says what to sleep on before the next.</summary>
    /// <param name="word">The lock.</param>
    /// <param name="thorough">Whether to see if its owner is alive.</param>
    /// <param name="hasSlept">Set from the first sleep on; begin with false.</param>
    /// <param name="wasAbandoned">Its owner had ended without leaving.</param>
    /// <param name="until">What to sleep on. Whoever gives up instead calls <see cref="PassOn"/>.</param>
    public static bool TryEnter(ulong* word, bool thorough, ref bool hasSlept, out bool wasAbandoned, out WaitWord until)
    {
        wasAbandoned = false;
        until = default;
        if (!hasSlept && (Interlocked.CompareExchange(ref *word, Own, 0) == 0 || Spin(word)))
            return true;
        bool entered = Take(word, hasSlept ? Own | Waiters : Own, thorough, wait: true, out wasAbandoned, out uint seenLow);
        until = new((nint)word, seenLow);
        hasSlept = true;
        return entered;
    }

    /// <summary>Passes on the wake-up that a waiter may have had who doesn't want the lock any more.</summary>
    public static void PassOn(ulong* word)
    {
        if (Volatile.Read(ref *word) == 0)
            Linux.FutexWake((uint*)word, 1);
    }

    /// <summary>Enters, or gives up when the time is over; never earlier.</summary>
    /// <param name="waitable">Its disposal ends the waiting with <see cref="ObjectDisposedException"/>.</param>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Enter(ulong* word, TimeSpan timeout, CancellationToken token, out bool wasAbandoned, IWaitable? waitable = null)
    {
        token.ThrowIfCancellationRequested();
        wasAbandoned = false;
        return Interlocked.CompareExchange(ref *word, Own, 0) == 0 || EnterSlowly(word, timeout, waitable, out wasAbandoned, token);
    }

    /// <summary>The same, holding no thread while it waits. The memory has to stay until the task is done.</summary>
    public static ValueTask<LockOutcome> EnterAsync(ulong* word, TimeSpan timeout, CancellationToken token, IWaitable? waitable = null)
    {
        if (token.IsCancellationRequested)
            return ValueTask.FromCanceled<LockOutcome>(token);
        return Interlocked.CompareExchange(ref *word, Own, 0) == 0 || Spin(word)
            ? new(LockOutcome.Entered)
            : LockAttempt.EnterAsync(new LockAttempt(word, waitable), timeout, token);
    }

    /// <exception cref="SynchronizationLockException">This process doesn't hold it.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Exit(ulong* word)
    {
        if (!IsHeldHere(word))
            ThrowNotHeld(word);
        if ((Interlocked.Exchange(ref *word, 0) & Waiters) == 0)
            return;
        FaultPoint.Reach(FaultStep.LockReleased);
        Linux.FutexWake((uint*)word, 1);
    }

    /// <summary>Leaves it so that whoever enters next is told, as if this process had died; two threads of it may do so at a time.</summary>
    /// <returns>False if this process doesn't hold it.</returns>
    public static bool TryAbandon(ulong* word)
    {
        while (true)
        {
            ulong seen = Volatile.Read(ref *word);
            if ((seen & ~Waiters) != Own)
                return false;
            if (Interlocked.CompareExchange(ref *word, Abandoned, seen) != seen)
                continue;
            WakeAll(word);
            return true;
        }
    }

    /// <summary>Whether a thread of this process holds it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsHeldHere(ulong* word) => (Volatile.Read(ref *word) & ~Waiters) == Own;

    /// <summary>Has all waiters of all processes look again.</summary>
    public static void WakeAll(ulong* word) => Linux.FutexWake((uint*)word, int.MaxValue);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool EnterSlowly(ulong* word, TimeSpan timeout, IWaitable? waitable, out bool wasAbandoned, CancellationToken token)
    {
        wasAbandoned = false;
        if (Spin(word))
            return true;
        LockAttempt attempt = new(word, waitable);
        bool entered = attempt.Run(timeout, token);
        wasAbandoned = attempt.WasAbandoned;
        return entered;
    }

    private static bool Spin(ulong* word)
    {
        if (!MaySpin)
            return false;
        for (int i = 0; i < Spins; i++)
        {
            if (Volatile.Read(ref *word) == 0 && Interlocked.CompareExchange(ref *word, Own, 0) == 0)
                return true;
            Thread.SpinWait(1);
        }

        return false;
    }

    // Takes it as the mark says, from nobody or from one who can't or doesn't live. Else, if it is to be waited for, sets the sign that wakes.
    private static bool Take(ulong* word, ulong mark, bool thorough, bool wait, out bool wasAbandoned, out uint seenLow)
    {
        wasAbandoned = false;
        seenLow = 0;
        for (int i = 0; i < MostRounds; i++)
        {
            ulong seen = Volatile.Read(ref *word);
            seenLow = (uint)seen;
            if (seen == 0)
            {
                if (Interlocked.CompareExchange(ref *word, mark, 0) == 0)
                    return true;
            }
            else if (!IsPossible(seen) || (thorough && HasEnded(seen)))
            {
                // Others may wait for the same; nobody knows.
                if (Interlocked.CompareExchange(ref *word, Own | Waiters, seen) != seen)
                    continue;
                FaultPoint.Reach(FaultStep.LockTakenOver);
                return wasAbandoned = true;
            }
            else
            {
                seenLow = (uint)(seen | Waiters);
                if (!wait)
                    return false;
                if ((seen & Waiters) == 0 && Interlocked.CompareExchange(ref *word, seen | Waiters, seen) != seen)
                    continue;
                FaultPoint.Reach(FaultStep.LockSleeping);
                return false;
            }
        }

        return false;
    }

    /// <summary>Whether a word's owner, as <see cref="Own"/> has it, is known to have ended, or is none at all.</summary>
    public static bool HasOwnerEnded(ulong owner) => !IsPossible(owner) || HasEnded(owner);

    private static uint Number(ulong seen) => (uint)(seen & ~Waiters);

    private static bool IsPossible(ulong seen) => Number(seen) is > 0 and <= HighestNumber;

    private static bool HasEnded(ulong seen) => (seen & ~Waiters) != Own && new ProcessIdentity((int)Number(seen), (uint)(seen >> 32)).HasEnded;

    private static void ThrowNotHeld(ulong* word)
    {
        ulong seen = Volatile.Read(ref *word);
        throw new SynchronizationLockException(seen == 0
            ? "The lock is free: it was left already, or never entered."
            : $"Process {Number(seen)} holds the lock, and this is process {Environment.ProcessId}: only who entered it may leave it.");
    }

    private sealed partial class LockAttempt(ulong* word, IWaitable? waitable) : WaitAttempt(waitable)
    {
        private readonly ulong* word = word;
        private ulong mark = Own;

        public bool WasAbandoned { get; private set; }

        protected override bool Try(bool thorough, out WaitWord until)
        {
            bool taken = Take(word, mark, thorough, wait: true, out bool wasAbandoned, out uint seenLow);
            WasAbandoned = wasAbandoned;

            // From now on it may have been the only one woken of several, who have to be woken in turn.
            mark = Own | Waiters;
            until = new((nint)word, seenLow);
            return taken;
        }

        protected override void GiveUp() => PassOn(word);
    }
}

internal static partial class RobustLock
{
    private sealed partial class LockAttempt
    {
        public static async ValueTask<LockOutcome> EnterAsync(LockAttempt attempt, TimeSpan timeout, CancellationToken token)
        {
            if (!await attempt.RunAsync(timeout, token).ConfigureAwait(false))
                return LockOutcome.TimedOut;
            return attempt.WasAbandoned ? LockOutcome.EnteredAbandoned : LockOutcome.Entered;
        }
    }
}
