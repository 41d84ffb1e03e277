namespace ManyHands.Platform;

/// <summary>What is waited for; it may be disposed of meanwhile, in this process.</summary>
internal interface IWaitable
{
    /// <exception cref="ObjectDisposedException">It was disposed of.</exception>
    void ThrowIfDisposed();

    /// <summary>Whether its waiters look for a moment before they sleep, and how often that has paid; null for those that don't, or have done so themselves.</summary>
    Spinning? Spinning => null;
}

/// <summary>Something in shared memory that a process wants and may have to wait for; one object per wait.</summary>
/// <remarks>
/// Nobody relies on being woken. Whoever was to wake may have been killed, and a wake-up may have gone to somebody who was: so every sleep ends after a slice of 20, later 200 ms, and looks again.
/// </remarks>
internal abstract class WaitAttempt(IWaitable? waitable)
{
    private const long FirstSlice = 20_000_000;
    private const long LongestSlice = 200_000_000;
    private const long Overtime = 100_000_000;

    /// <summary>Takes it if it is there. Else says which word changes when it may be.</summary>
    /// <param name="thorough">Time has passed without success, so see whether those are alive who are waited for.</param>
    /// <param name="until">What to sleep on.</param>
    protected abstract bool Try(bool thorough, out WaitWord until);

    /// <summary>
    /// Whether a <see cref="Try"/> may succeed, without a trace that somebody waits: as long as nobody has said so, whoever is waited for needs no system call. True where only a try can tell.
    /// </summary>
    protected virtual bool IsReadyAtAGlance => true;

    /// <summary>
    /// Whether the last <see cref="Try"/> saw nothing because another was just changing what is waited for, and there may be some of it when he is done. No wait ends on that: he gets some more time, as he may be without a
    /// processor; but not for ever, as he may be stopped.
    /// </summary>
    protected virtual bool WasInTheMiddle => false;

    /// <summary>Called instead of another <see cref="Try"/> when the waiting ends without success, to pass on the wake-up that this waiter may have had.</summary>
    protected virtual void GiveUp()
    {
    }

    /// <summary>Sleeps on this thread until there may be something to try for.</summary>
    /// <param name="until">What the last <see cref="Try"/> has said.</param>
    /// <param name="canceled">A word that is no longer 0 once the wait is cancelled; null if it can't be.</param>
    /// <param name="due">When to return at the latest.</param>
    protected virtual unsafe void Sleep(WaitWord until, uint* canceled, long due)
    {
        if (canceled is not null)
            FutexWaits.Sleep(until, canceled, 0, due);
        else
            FutexWaits.Sleep(until, due);
    }

    /// <summary>The same without a thread.</summary>
    protected virtual Task SleepAsync(WaitWord until, long due, CancellationToken token) => FutexWaits.WaitAsync(until, due, token);

    /// <summary>Waits on this thread.</summary>
    /// <param name="timeout">Zero for none; <see cref="Timeout.InfiniteTimeSpan"/>. It is never shortened.</param>
    /// <returns>Whether it was got in time.</returns>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    /// <exception cref="ObjectDisposedException">Disposed of while waiting; noticed when woken, within 200 ms at most.</exception>
    public unsafe bool Run(TimeSpan timeout, CancellationToken token)
    {
        Pace pace = new(timeout);
        uint canceled = 0;
        uint* canceledWord = &canceled;
        using CancellationTokenRegistration registration = Guarded.OnCanceled(
            GuardedEntry.WaitCancellation,
            token,
            (nint)canceledWord,
            static word =>
            {
                Volatile.Write(ref *(uint*)word, 1);
                Linux.FutexWake((uint*)word, 1);
            },
            static _ => "a wait, which notices the cancellation later");
        bool maySpin = timeout != TimeSpan.Zero && waitable?.Spinning is { IsWorthwhile: true };
        if (maySpin && !IsReadyAtAGlance)
        {
            maySpin = false;
            SpinUntil(static (attempt, _) => attempt.IsReadyAtAGlance, default);
        }

        while (true)
        {
            waitable?.ThrowIfDisposed();
            if (Try(pace.Thorough, out WaitWord until))
                return true;
            if (!GoesOn(ref pace, token))
                return false;
            if (maySpin)
            {
                // Once: who is woken from sleep has what it wants, or it takes longer.
                maySpin = false;
                if (SpinUntil(static (_, until) => IsChanged(until), until))
                    continue;
            }

            Sleep(until, token.CanBeCanceled ? canceledWord : null, pace.SleepUntil);
        }
    }

    /// <summary>Waits without a thread.</summary>
    /// <inheritdoc cref="Run"/>
    public async ValueTask<bool> RunAsync(TimeSpan timeout, CancellationToken token)
    {
        Pace pace = new(timeout);
        while (true)
        {
            waitable?.ThrowIfDisposed();
            if (Try(pace.Thorough, out WaitWord until))
                return true;
            if (!GoesOn(ref pace, token))
                return false;
            if (pace.SleepUntil > FutexWaits.Now)
                await SleepAsync(until, pace.SleepUntil, token).ConfigureAwait(false);
        }
    }

    /// <exception cref="ArgumentOutOfRangeException">It is negative, and not infinite.</exception>
    public static TimeSpan Checked(TimeSpan timeout)
    {
        if (timeout != Timeout.InfiniteTimeSpan)
            ArgumentOutOfRangeException.ThrowIfLessThan(timeout, TimeSpan.Zero);
        return timeout;
    }

    private static unsafe bool IsChanged(WaitWord until) => Volatile.Read(ref *(uint*)until.Address) != until.Value;

    private bool SpinUntil(Func<WaitAttempt, WaitWord, bool> isReady, WaitWord until)
    {
        Spinning spinning = waitable!.Spinning!;
        int rounds = 0;
        long deadline = Spinning.CallersDeadline;
        while (Spinning.Pause(ref rounds, deadline))
        {
            if (!isReady(this, until))
                continue;
            spinning.Succeeded();
            return true;
        }

        spinning.Failed();
        return false;
    }

    private bool GoesOn(ref Pace pace, CancellationToken token)
    {
        if (!token.IsCancellationRequested && (pace.Next() || (WasInTheMiddle && pace.Extend())))
            return true;
        GiveUp();
        token.ThrowIfCancellationRequested();
        return false;
    }

    /// <summary>When to sleep until, when to be thorough, when to end.</summary>
    private struct Pace
    {
        private long due;
        private bool isExtended;
        private long slice = FirstSlice;
        private long thoroughAt;

        public Pace(TimeSpan timeout)
        {
            long now = FutexWaits.Now;
            due = timeout == Timeout.InfiniteTimeSpan || timeout.TotalSeconds > int.MaxValue ? long.MaxValue : now + (timeout.Ticks * (1_000_000_000 / TimeSpan.TicksPerSecond));
            thoroughAt = now + slice;
            IsLast = due <= now;
        }

        /// <summary>The next attempt is the one at the end of the time.</summary>
        private bool IsLast { get; set; }

        public long SleepUntil { get; private set; }

        /// <summary>Whether the next attempt is to be thorough: after each slice, and at the end.</summary>
        public bool Thorough
        {
            get
            {
                long now = FutexWaits.Now;
                if (now >= due)
                    IsLast = true;
                if (IsLast)
                    return true;
                if (now < thoroughAt)
                    return false;
                slice = Math.Min(slice * 2, LongestSlice);
                thoroughAt = now + slice;
                return true;
            }
        }

        /// <summary>False if that was the last attempt.</summary>
        public bool Next()
        {
            SleepUntil = Math.Min(thoroughAt, due);
            return !IsLast;
        }

        /// <summary>Goes on for a moment after the last attempt; false if that was over as well.</summary>
        public bool Extend()
        {
            if (isExtended)
                return false;
            isExtended = true;
            IsLast = false;
            slice = FirstSlice;
            long now = FutexWaits.Now;
            due = now + Overtime;
            thoroughAt = now + slice;
            return Next();
        }
    }
}
