using System.Runtime.InteropServices;
using ManyHands.Memory;
using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands;

/// <summary>One passing of a <see cref="SharedBarrier"/>.</summary>
/// <param name="Index">The how-manieth this party was to arrive, from 0: each has another, so one of them can be told to do something.</param>
/// <param name="Phase">Which passing of the barrier this was, from 0, counting those that broke.</param>
public readonly record struct BarrierPassage(int Index, long Phase);

/// <summary>A barrier that others wait at can't be passed any more: one of them died, ran out of time, was cancelled, or aborted it. <see cref="SharedBarrier.Reset"/> makes it whole again.</summary>
public sealed class BrokenBarrierException : Exception
{
    internal BrokenBarrierException(string message, bool isPassageKnown = true)
        : base(message) => IsPassageKnown = isPassageKnown;

    /// <summary>
    /// Whether it is certain that this party's own phase broke. False only for a party that was stopped for so long that the barrier broke and was reset dozens of times meanwhile: how its own phase ended nobody knows any more.
    /// </summary>
    public bool IsPassageKnown { get; }
}

/// <summary>Where threads of several processes wait until a number of them have come; then all go on, and it begins anew.</summary>
/// <remarks>
/// <para>
/// If one of those who wait doesn't stay, because its time is over, it is cancelled or its process ends, the barrier is broken: the others get <see cref="BrokenBarrierException"/>, a death's within 200 ms, and so does
/// everyone that comes later, until <see cref="Reset"/>. A process that ends before it came is waited for; that's what timeouts are for.
/// </para>
/// <para>Pass it to workers as an argument or a captured variable: what arrives is the same barrier. On Linux only.</para>
/// </remarks>
public sealed class SharedBarrier : ISharedBarrier, ISharedObject<SharedBarrier>, IWaitable, IDisposable
{
    private const int MostParties = 32767;
    private static readonly TimeSpan GuardPatience = TimeSpan.FromMilliseconds(1);

    private readonly SharedBlock block;
    private readonly unsafe SharedBarrierBody* body;
    private int waiting;
    private int disposed;

    /// <summary>Makes a barrier.</summary>
    /// <param name="parties">How many have to come, from 1 to 32,767.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is outside its range.</exception>
    /// <exception cref="IOException">The machine has no memory or descriptor left.</exception>
    /// <exception cref="PlatformNotSupportedException">Not on this system.</exception>
    public SharedBarrier(int parties)
        : this(SharedBlock.Create(SharedKind.Barrier, Size(Checked(parties)), parties))
    {
    }

    private unsafe SharedBarrier(SharedBlock block)
    {
        this.block = block;
        body = (SharedBarrierBody*)block.Body;
        Parties = (int)block.Detail;
    }

    /// <summary>How many have to come.</summary>
    public int Parties { get; }

    /// <summary>How many wait at this moment.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    public unsafe int Waiting
    {
        get
        {
            ThrowIfDisposed();
            return Volatile.Read(ref body->Arrived);
        }
    }

    /// <summary>Whether it is broken.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    public unsafe bool IsBroken
    {
        get
        {
            ThrowIfDisposed();
            ulong phase = Volatile.Read(ref body->Phase);
            return Volatile.Read(ref body->Broken) != 0 || Volatile.Read(ref *Outcome(phase)) == SharedBarrierBody.Word(phase, PhaseOutcome.Broken);
        }
    }

    /// <summary>Comes, and waits for the others.</summary>
    /// <param name="action">Called by whoever comes last, before any goes on. If it throws, the barrier breaks, and the exception is its caller's.</param>
    /// <exception cref="BrokenBarrierException">It was broken, or broke meanwhile.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; by that the barrier broke.</exception>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process, before or while waiting; by the latter the barrier broke.</exception>
    public BarrierPassage SignalAndWait(Action? action = null, CancellationToken token = default)
    {
        TrySignalAndWait(Timeout.InfiniteTimeSpan, out BarrierPassage passage, action, token);
        return passage;
    }

    /// <summary>Comes, and waits for the others until the time is over. Then it is broken.</summary>
    /// <param name="timeout">How long to wait, never less; <see cref="Timeout.InfiniteTimeSpan"/> for ever.</param>
    /// <param name="passage">What became of it.</param>
    /// <returns>False if the time was over.</returns>
    /// <inheritdoc cref="SignalAndWait"/>
    public bool TrySignalAndWait(TimeSpan timeout, out BarrierPassage passage, Action? action = null, CancellationToken token = default)
    {
        Begin(timeout, token);
        Interlocked.Increment(ref waiting);
        try
        {
            Attempt attempt = new(this, action);
            bool ended;
            try
            {
                ended = attempt.Run(timeout, token);
            }
            catch (Exception failure) when (failure is OperationCanceledException or ObjectDisposedException)
            {
                if (!attempt.Leave())
                    throw;
                ended = true;
            }

            return attempt.End(ended, out passage);
        }
        finally
        {
            Interlocked.Decrement(ref waiting);
        }
    }

    /// <summary>Comes, and waits for the others, holding no thread.</summary>
    /// <inheritdoc cref="SignalAndWait"/>
    public async ValueTask<BarrierPassage> SignalAndWaitAsync(Action? action = null, CancellationToken token = default) =>
        (await TrySignalAndWaitAsync(Timeout.InfiniteTimeSpan, action, token).ConfigureAwait(false))!.Value;

    /// <summary>Comes, and waits for the others until the time is over, holding no thread. Then it is broken.</summary>
    /// <param name="timeout">How long to wait, never less; <see cref="Timeout.InfiniteTimeSpan"/> for ever.</param>
    /// <returns>Null if the time was over.</returns>
    /// <inheritdoc cref="SignalAndWait"/>
    public async ValueTask<BarrierPassage?> TrySignalAndWaitAsync(TimeSpan timeout, Action? action = null, CancellationToken token = default)
    {
        Begin(timeout, token);
        Interlocked.Increment(ref waiting);
        try
        {
            Attempt attempt = new(this, action);
            bool ended;
            try
            {
                ended = await attempt.RunAsync(timeout, token).ConfigureAwait(false);
            }
            catch (Exception failure) when (failure is OperationCanceledException or ObjectDisposedException)
            {
                if (!attempt.Leave())
                    throw;
                ended = true;
            }

            return attempt.End(ended, out BarrierPassage passage) ? passage : null;
        }
        finally
        {
            Interlocked.Decrement(ref waiting);
        }
    }

    /// <summary>Breaks it, for all that wait and will come, until <see cref="Reset"/>.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    public void Abort()
    {
        Change(() => EndPhase(passed: false));
    }

    /// <summary>Begins anew. Those who wait get <see cref="BrokenBarrierException"/>; who comes from now on doesn't.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed of in this process.</exception>
    public unsafe void Reset()
    {
        Change(() =>
        {
            if (body->Arrived != 0)
                EndPhase(passed: false);
            body->Broken = 0;
        });
    }

    /// <summary>Ends its use in this process; others go on. Who waits through this object gets <see cref="ObjectDisposedException"/>, and the barrier is broken for the others.</summary>
    public unsafe void Dispose()
    {
        if (Interlocked.Exchange(ref disposed, 1) != 0)
            return;
        if (Volatile.Read(ref waiting) != 0)
            Break(Volatile.Read(ref body->Phase));
        block.EndUser();
    }

    Spinning? IWaitable.Spinning { get; } = new();

    void IWaitable.ThrowIfDisposed() => ThrowIfDisposed();

    SharedReference ISharedObject<SharedBarrier>.Refer()
    {
        ThrowIfDisposed();
        return block.Refer();
    }

    static SharedBarrier ISharedObject<SharedBarrier>.Attach(in SharedReference reference)
    {
        SharedBlock block = SharedBlock.Attach(in reference, SharedKind.Barrier);
        if (block.Detail is > 0 and <= MostParties && block.BodySize == Size((int)block.Detail))
            return new(block);
        (long size, long parties) = (block.BodySize, block.Detail);
        block.EndUser();
        throw new CorruptSharedMemoryException($"A SharedBarrier of {parties:N0} parties can't have {size:N0} bytes; the memory is of another version.");
    }

    private static int Checked(int parties)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(parties, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(parties, MostParties);
        return parties;
    }

    private static unsafe long Size(int parties) => sizeof(SharedBarrierBody) + ((long)parties * sizeof(ulong));

    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(disposed != 0, this);

    private void Begin(TimeSpan timeout, CancellationToken token)
    {
        WaitAttempt.Checked(timeout);
        ThrowIfDisposed();
        token.ThrowIfCancellationRequested();
    }

    private void Change(Action change)
    {
        ThrowIfDisposed();
        EnterGuard(Timeout.InfiniteTimeSpan, this);
        change();
        LeaveGuard();
    }

    // Whoever died at it has arrived or not, by one write. A phase whose end is decided and nothing more, by one that died or couldn't have the guard, is ended here.
    private unsafe bool EnterGuard(TimeSpan timeout, IWaitable? waitable)
    {
        if (!RobustLock.Enter(&body->Guard, timeout, default, out _, waitable))
            return false;
        FaultPoint.Reach(FaultStep.BarrierGuarded);
        if (*Outcome(body->Phase) != SharedBarrierBody.Word(body->Phase, PhaseOutcome.Open))
            EndPhase(passed: false);
        return true;
    }

    private unsafe void LeaveGuard()
    {
        RobustLock.Exit(&body->Guard);
        GC.KeepAlive(this);
    }

    private unsafe void EndPhase(bool passed)
    {
        ulong phase = body->Phase;
        Decide(phase, passed);
        FaultPoint.Reach(FaultStep.BarrierDecided);
        bool hasPassed = *Outcome(phase) == SharedBarrierBody.Word(phase, PhaseOutcome.Passed);
        if (!hasPassed)
            body->Broken = 1;
        Record(phase, hasPassed);
        body->Arrived = 0;
        *Outcome(phase + 1) = SharedBarrierBody.Word(phase + 1, PhaseOutcome.Open);
        Volatile.Write(ref body->Phase, phase + 1);
        FaultPoint.Reach(FaultStep.BarrierPublished);
        Linux.FutexWake((uint*)&body->Phase, int.MaxValue);
    }

    // Only where a phase ends in another way than the one before. Whoever does it again, as another died at it, finds it done.
    private unsafe void Record(ulong phase, bool passed)
    {
        ulong runs = body->Runs;
        if (IsOfPassed(runs) == passed)
            return;
        Volatile.Write(ref *Run(runs), phase);
        Volatile.Write(ref body->Runs, runs + 1);
    }

    // They take turns, and begin with one of those that passed, at the first phase.
    private static bool IsOfPassed(ulong run) => (run & 1) == 0;

    // Unless it is decided already.
    private unsafe void Decide(ulong phase, bool passed) => Interlocked.CompareExchange(
        ref *Outcome(phase), SharedBarrierBody.Word(phase, passed ? PhaseOutcome.Passed : PhaseOutcome.Broken), SharedBarrierBody.Word(phase, PhaseOutcome.Open));

    // Whoever is stopped at the guard must not keep others beyond their time: then the next that has it does the rest.
    private unsafe void Break(ulong phase)
    {
        if (EnterGuard(GuardPatience, null))
        {
            if (body->Phase == phase)
                EndPhase(passed: false);
            LeaveGuard();
            return;
        }

        Decide(phase, passed: false);
        Linux.FutexWake((uint*)&body->Phase, int.MaxValue);
    }

    // Each is of one phase and says so: who was stopped meanwhile can take it for that of no other.
    private unsafe ulong* Outcome(ulong phase) => (ulong*)((byte*)body + SharedBarrierBody.OutcomesOffset) + (phase % SharedBarrierBody.Outcomes);

    private unsafe ulong* Run(ulong run) => (ulong*)((byte*)body + SharedBarrierBody.RunsOffset) + (run % SharedBarrierBody.MostRuns);

    /// <summary>How a phase ended that has; null if nobody knows any more.</summary>
    private unsafe PhaseOutcome? OutcomeOf(ulong phase)
    {
        ulong word = Volatile.Read(ref *Outcome(phase));
        if (SharedBarrierBody.PhaseOf(word) == phase)
            return SharedBarrierBody.OutcomeIn(word);

        // It ended long ago. Of that the runs tell, as long as the place of the one looked at has not been taken by a later one.
        while (true)
        {
            ulong runs = Volatile.Read(ref body->Runs);
            ulong run = runs;
            while (run > 0 && runs - run < SharedBarrierBody.MostRuns - 1 && Volatile.Read(ref *Run(run - 1)) > phase)
                run--;
            bool isKnown = run == 0 || runs - run < SharedBarrierBody.MostRuns - 1;
            Interlocked.MemoryBarrier();
            if (!isKnown)
                return null;
            runs = Volatile.Read(ref body->Runs);
            if (runs == 0 || runs - Math.Max(run, 1) < SharedBarrierBody.MostRuns - 1)
                return IsOfPassed(run) ? PhaseOutcome.Passed : PhaseOutcome.Broken;
        }
    }

    private unsafe ulong* Party(int number) => (ulong*)(body + 1) + number;

    private sealed class Attempt(SharedBarrier owner, Action? action) : WaitAttempt(owner)
    {
        private int index = -1;
        private ulong phase;

        protected override unsafe bool Try(bool thorough, out WaitWord until)
        {
            SharedBarrierBody* body = owner.body;
            if (index >= 0 && !thorough)
            {
                until = new((nint)(&body->Phase), (uint)phase);
                return HasEnded || Sleeps();
            }

            if (!owner.EnterGuard(GuardPatience, owner))
            {
                until = new((nint)(&body->Guard), (uint)Volatile.Read(ref body->Guard));
                return index >= 0 && HasEnded;
            }

            bool ended;
            try
            {
                until = new((nint)(&body->Phase), (uint)body->Phase);
                ended = index >= 0 && HasEnded;
                if (!ended && thorough)
                    BreakIfOneDied();
                if (!ended)
                    ended = index < 0 ? Arrive(ref until) : HasEnded;
            }
            finally
            {
                owner.LeaveGuard();
            }

            return ended || Sleeps();
        }

        private unsafe bool HasEnded => Volatile.Read(ref owner.body->Phase) != phase || Volatile.Read(ref *owner.Outcome(phase)) != SharedBarrierBody.Word(phase, PhaseOutcome.Open);

        private static bool Sleeps()
        {
            FaultPoint.Reach(FaultStep.BarrierSleeping);
            return false;
        }

        /// <summary>Breaks the phase for the others, unless it has ended.</summary>
        /// <returns>Whether it had been passed.</returns>
        public unsafe bool Leave()
        {
            if (index < 0 || owner.disposed != 0)
                return false;
            owner.Break(phase);
            return (owner.OutcomeOf(phase) ?? throw Forgotten()) == PhaseOutcome.Passed;
        }

        /// <summary>Whether it was passed; false if only the time was over.</summary>
        public unsafe bool End(bool ended, out BarrierPassage passage)
        {
            passage = new(index, (long)phase);
            if (!ended)
                return Leave();
            if ((owner.OutcomeOf(phase) ?? throw Forgotten()) != PhaseOutcome.Passed)
                throw Broken();
            FaultPoint.Reach(FaultStep.BarrierPassed);
            return true;
        }

        private unsafe bool Arrive(ref WaitWord until)
        {
            SharedBarrierBody* body = owner.body;
            if (body->Broken != 0)
                throw Broken();

            // All are there, and the last of them is at its action.
            if (body->Arrived >= owner.Parties)
                return false;
            phase = body->Phase;
            index = Math.Max(body->Arrived, 0);
            *owner.Party(index) = RobustLock.Own;
            FaultPoint.Reach(FaultStep.BarrierNamed);
            body->Arrived = index + 1;
            FaultPoint.Reach(index + 1 < owner.Parties ? FaultStep.BarrierArrived : FaultStep.BarrierComplete);
            if (index + 1 < owner.Parties)
                return false;
            if (action is not null)
                RunAction();
            if (body->Phase == phase)
                owner.EndPhase(passed: true);
            return true;
        }

        private unsafe void RunAction()
        {
            SharedBarrierBody* body = owner.body;
            owner.LeaveGuard();
            bool done = false;
            try
            {
                action!();
                done = true;
            }
            finally
            {
                owner.EnterGuard(Timeout.InfiniteTimeSpan, null);
                if (!done && body->Phase == phase)
                    owner.EndPhase(passed: false);
            }
        }

        private unsafe void BreakIfOneDied()
        {
            SharedBarrierBody* body = owner.body;
            int arrived = Math.Min(body->Arrived, owner.Parties);
            ulong alive = RobustLock.Own;
            for (int i = 0; i < arrived; i++)
            {
                ulong party = *owner.Party(i);
                if (party == alive)
                    continue;
                if (RobustLock.HasOwnerEnded(party))
                {
                    owner.EndPhase(passed: false);
                    return;
                }

                alive = party;
            }
        }

        private static BrokenBarrierException Broken() =>
            new("The barrier is broken: one of those who waited died, ran out of time, was cancelled, or aborted it. Call Reset when all know.");

        private BrokenBarrierException Forgotten() => new(
            $"While this party was stopped, the barrier broke and was reset more than {(SharedBarrierBody.MostRuns / 2) - 1} times, and whether phase {phase}, in which it waited, was passed before is not known any more. Look at what the others have done.",
            isPassageKnown: false);
    }
}

/// <summary>How a phase ended. It goes over from the first, in one step, into one of the others.</summary>
internal enum PhaseOutcome
{
    Open,
    Passed,
    Broken,
}

/// <summary>The memory of a <see cref="SharedBarrier"/>, before the processes of those that have come, in the form of a robust lock's word. Written by the guard's holder.</summary>
[StructLayout(LayoutKind.Explicit, Size = RunsOffset + (MostRuns * sizeof(ulong)))]
internal struct SharedBarrierBody
{
    public const int OutcomesOffset = 64;
    public const int Outcomes = 8;
    public const int RunsOffset = OutcomesOffset + (Outcomes * sizeof(ulong));
    public const int MostRuns = 64;

    private const int OutcomeBits = 2;

    [FieldOffset(0)]
    public ulong Guard;

    /// <summary>Counts passings and breaks; waiters sleep on its low half.</summary>
    [FieldOffset(8)]
    public ulong Phase;

    [FieldOffset(16)]
    public int Broken;

    [FieldOffset(20)]
    public int Arrived;

    /// <summary>How often a phase has ended in another way than the one before.</summary>
    [FieldOffset(24)]
    public ulong Runs;

    public static ulong Word(ulong phase, PhaseOutcome outcome) => (phase << OutcomeBits) | (ulong)outcome;

    public static ulong PhaseOf(ulong word) => word >> OutcomeBits;

    public static PhaseOutcome OutcomeIn(ulong word) => (PhaseOutcome)(word & ((1 << OutcomeBits) - 1));
}
