using CsCheck;
using ManyHands.Memory;
using ManyHands.Serialization;
using Xunit;

namespace ManyHands.Tests.Memory;

/// <summary>
/// Another process of the same user can write anything over what describes a shared object. Whoever uses it then may get a typed exception or a wrong answer, and never crashes or waits for longer than he said. Each
/// object is spoilt and used in a child, which tells by its life.
/// </summary>
public sealed class DamagedMemoryTests : LeakChecked
{
    private const int Cases = 200;
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(3);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(nameof(Spoilt.Queue))]
    [InlineData(nameof(Spoilt.LargeItems))]
    [InlineData(nameof(Spoilt.Leases))]
    [InlineData(nameof(Spoilt.Lock))]
    [InlineData(nameof(Spoilt.Semaphore))]
    [InlineData(nameof(Spoilt.Barrier))]
    [InlineData(nameof(Spoilt.Event))]
    [InlineData(nameof(Spoilt.Condition))]
    [InlineData(nameof(Spoilt.Value))]
    public async Task Control_OverwrittenAtRandom_NeitherCrashesNorHangs(string kind)
    {
        using SharedValue<int> seed = new();
        await using WorkerProcess<int> user = WorkerProcess.Start(Spoilt.Sample, kind, Cases, seed);
        Assert.True(await user.JoinAsync(Deadline, Token), $"{kind}: no end within {Deadline}, at seed {seed.Value}");
        Assert.True(user.Exception is null, $"{kind}, at seed {seed.Value}: {user.Exception}");
        Assert.Equal(Cases, await user);
    }

    /// <summary>What comes before the body, which whoever attaches reads first.</summary>
    [Fact]
    public async Task Header_OverwrittenAtRandom_IsATypedErrorForWhoeverAttaches()
    {
        await using Pool pool = Pool.Processes(1);
        Random random = new(11);
        int refused = 0;
        for (int i = 0; i < 150; i++)
        {
            using SharedArray<int> array = new([1, 2, 3]);
            using SharedQueue<int> queue = new();
            queue.Enqueue(7, Token);
            Spoilt.Overwrite(array, -SharedBlock.HeaderSize, 56, random);
            Spoilt.Overwrite(queue, -SharedBlock.HeaderSize, 56, random);
            try
            {
                await pool.RunAsync(static (SharedArray<int> array) => array.Span.ToArray().Sum(), array).InTime(Deadline, Token);
            }
            catch (UnsendableCallException)
            {
                refused++;
            }

            try
            {
                await pool.RunAsync(static (SharedQueue<int> queue) => queue.TryDequeue(out _, TimeSpan.FromMilliseconds(20)), queue).InTime(Deadline, Token);
            }
            catch (Exception failure) when (failure is UnsendableCallException or IOException)
            {
                refused++;
            }
        }

        Assert.Equal(0, pool.Statistics.WorkersLost);
        Assert.InRange(refused, 100, 300);
    }
}

/// <summary>Objects whose memory is written over, and used after that.</summary>
internal static class Spoilt
{
    private static readonly TimeSpan Glance = TimeSpan.FromMilliseconds(5);

    // Half of them are numbers that are everywhere beyond what can be; the locks' own words are never a process that lives, which would hold the lock rightly.
    private static readonly ulong[] Extremes = [0, ulong.MaxValue, long.MaxValue, 1UL << 63, 0x8000_0000, 0x7FFF_FFFF, 0xFFFF_FFFF_0000_0000, 0x7FFF_FFFF_FFFF_FFF8];

    public static int Sample(string kind, int cases, SharedValue<int> current)
    {
        int done = 0;
        Gen.Int.Sample(
            seed =>
            {
                current.Value = seed;
                Random random = new(seed);
                try
                {
                    Use(kind, random);
                }
                catch (Exception refusal) when (IsTyped(refusal))
                {
                    // As it should be, or not even noticed.
                }

                done++;
            },
            iter: cases,
            threads: 1);
        return done;
    }

    /// <summary>Overwrites some words of a range, whose first byte is counted from the body's.</summary>
    public static unsafe void Overwrite<T>(T shared, int first, int length, Random random)
        where T : class, ISharedObject<T>
    {
        SharedReference reference = SharedObjects.Refer(shared);
        SharedKind kind = *(SharedKind*)(Known(reference).Body - SharedBlock.HeaderSize + 8);
        SharedBlock block = SharedBlock.Attach(in reference, kind);
        length = (int)Math.Min(length, block.CurrentSize - first);
        for (int i = random.Next(1, 4); i > 0; i--)
        {
            byte* word = block.Body + first + (random.Next(length / 4) * 4);
            bool wide = ((nint)word & 7) == 0 && random.Next(2) == 0;
            ulong before = wide ? *(ulong*)word : *(uint*)word;
            ulong value = random.Next(3) switch
            {
                0 => Extremes[random.Next(Extremes.Length)],
                1 => ((ulong)random.NextInt64() << 1) | 0x4000_0000,

                // Near the truth, but not where nothing is: that may be a lock's word, and a small number a process.
                _ => before == 0 ? 0 : Near(before, random.Next(-16, 17)),
            };
            if (wide)
                *(ulong*)word = value;
            else
                *(uint*)word = (uint)value;
        }

        block.EndUser();
    }

    // A word that is written over twice could come past the end of the numbers to a small one, and the kernel's own threads have those.
    private static ulong Near(ulong before, int by)
    {
        const ulong Number = 0x7FFF_FFFF;
        ulong near = before + (ulong)by;
        return (near & Number) < 64 && (before & Number) >= 64 ? before : near;
    }

    private static SharedBlock Known(SharedReference reference)
    {
        foreach (SharedKind kind in Enum.GetValues<SharedKind>())
        {
            try
            {
                SharedBlock block = SharedBlock.Attach(in reference, kind);
                block.EndUser();
                return block;
            }
            catch (CorruptSharedMemoryException)
            {
                // Of another kind.
            }
        }

        throw new InvalidOperationException("It is of no known kind.");
    }

    public static void Queue(Random random)
    {
        using SharedQueue<int> queue = new(capacity: random.Next(2) * 10);
        for (int i = 0; i < 5; i++)
            queue.Enqueue(i);
        queue.Dequeue();
        Overwrite(queue, 0, 4096 + 128, random);
        UseQueue(queue, 9);
    }

    public static void LargeItems(Random random)
    {
        using SharedQueue<byte[]> queue = new(maximumSize: 2 << 20);
        byte[] item = new byte[100_000];
        for (int i = 0; i < 4; i++)
            queue.Enqueue(item);
        queue.Dequeue();
        Overwrite(queue, 0, 6 * 65536, random);
        Overwrite(queue, 0, 512, random);
        UseQueue(queue, item);
    }

    public static void Leases(Random random)
    {
        const int FirstSlots = 4096 + (3 * 65536);
        using SharedQueue<int> queue = new();
        for (int i = 0; i < 8; i++)
            queue.Enqueue(i);
        using QueueLease<int> kept = queue.Lease();
        using QueueLease<int> timed = queue.Lease(TimeSpan.FromMilliseconds(1));
        queue.Lease().Abandon();
        queue.Lease().Complete();
        int where = random.Next(3);
        if (where != 0)
            Overwrite(queue, 0, 1024, random);
        if (where != 1)
            Overwrite(queue, FirstSlots, 64 * 6, random);
        Each(
            () =>
            {
                if (queue.TryLease(out QueueLease<int>? lease, Glance))
                    lease.Complete();
            },
            () => timed.TryComplete(),
            () => kept.Renew(TimeSpan.FromMilliseconds(1)),
            () => queue.Join(Glance),
            () => kept.Complete(),
            () => queue.TryLease(out _, Glance, TimeSpan.FromMilliseconds(1)),
            () => queue.TryDequeue(out _, Glance));
        UseQueue(queue, 9);
    }

    public static void Lock(Random random)
    {
        using SharedLock shared = new(reentrant: random.Next(2) == 0);
        bool held = random.Next(2) == 0;
        if (held)
            shared.Enter();
        Overwrite(shared, 0, 128, random);
        Each(
            () => _ = shared.IsHeldHere || shared.WasAbandoned,
            () => shared.Exit(),
            () =>
            {
                if (shared.TryEnter(Glance, out SharedLock.Scope scope))
                    scope.Dispose();
            },
            () => shared.Exit());
    }

    public static void Semaphore(Random random)
    {
        using SharedSemaphore shared = new(2, 3);
        shared.Wait();
        Overwrite(shared, 0, 512, random);
        Each(
            () => _ = shared.CurrentCount,
            () => shared.TryWait(Glance),
            () => shared.Release(),
            () => shared.Release(2),
            () => shared.TryWait(Glance));
    }

    public static void Barrier(Random random)
    {
        using SharedBarrier shared = new(2);
        Task? other = random.Next(2) == 0 ? shared.TrySignalAndWaitAsync(TimeSpan.FromMilliseconds(30)).AsTask() : null;
        Overwrite(shared, 0, 128 + 16, random);
        Each(
            () => _ = shared.Waiting,
            () => shared.TrySignalAndWait(Glance, out _),
            () => shared.Reset(),
            () => shared.TrySignalAndWait(Glance, out _),
            () => shared.Abort(),
            () => other?.Wait());
    }

    public static void Event(Random random)
    {
        using SharedEvent shared = new(random.Next(2) == 0 ? SharedEventMode.ManualReset : SharedEventMode.AutoReset);
        Task? other = random.Next(2) == 0 ? shared.TryWaitAsync(TimeSpan.FromMilliseconds(30)).AsTask() : null;
        Overwrite(shared, 0, 128, random);
        Each(
            () => _ = shared.IsSet,
            () => shared.TryWait(Glance),
            () => shared.Set(),
            () => shared.TryWait(Glance),
            () => shared.Reset(),
            () => other?.Wait());
    }

    public static void Condition(Random random)
    {
        using SharedLock shared = new();
        using SharedCondition condition = new(shared);
        Overwrite(shared, 0, 256, random);
        Each(
            () => shared.TryEnter(Glance, out _),
            () => condition.Notify(),
            () => condition.TryWait(Glance),
            () => condition.NotifyAll(),
            () => condition.TryWait(Glance),
            () => shared.Exit(),
            () => new SharedCondition(shared).Dispose());
    }

    public static void Value(Random random)
    {
        using SharedValue<(long, long, long)> value = new((1, 2, 3));
        Overwrite(value, 0, 128, random);
        Each(
            () => _ = value.Value,
            () => value.Exchange((4, 5, 6)),
            () => value.CompareExchange((1, 1, 1), (4, 5, 6)));
    }

    private static void Use(string kind, Random random)
    {
        switch (kind)
        {
            case nameof(Queue): Queue(random); break;
            case nameof(LargeItems): LargeItems(random); break;
            case nameof(Leases): Leases(random); break;
            case nameof(Lock): Lock(random); break;
            case nameof(Semaphore): Semaphore(random); break;
            case nameof(Barrier): Barrier(random); break;
            case nameof(Event): Event(random); break;
            case nameof(Condition): Condition(random); break;
            case nameof(Value): Value(random); break;
            default: throw new ArgumentException(kind);
        }
    }

    private static void UseQueue<T>(SharedQueue<T> queue, T item) => Each(
        () => _ = queue.Count,
        () => queue.TryEnqueue(item, Glance),
        () => queue.TryDequeue(out _, Glance),
        () => queue.TryDequeue(out _, Glance),
        () => queue.TryEnqueue(item, Glance),
        () => queue.TryDequeue(out _, Glance),
        () => queue.Complete());

    private static void Each(params Action[] steps)
    {
        foreach (Action step in steps)
        {
            try
            {
                step();
            }
            catch (Exception refusal) when (IsTyped(refusal))
            {
                // The next step meets the same damage.
            }
        }
    }

    private static bool IsTyped(Exception exception) => exception switch
    {
        AggregateException { InnerException: { } inner } => IsTyped(inner),
        CorruptSharedMemoryException or SynchronizationLockException or BrokenBarrierException or SemaphoreFullException or QueueCompletedException or QueueLeaseLostException => true,
        InvalidOperationException => exception.Message.Contains("conditions", StringComparison.Ordinal),

        // An item of another length or content than was written, and memory that a wrong number asks for.
        UnsendableCallException or IOException => true,
        _ => false,
    };
}
