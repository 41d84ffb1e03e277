using System.Diagnostics;
using System.Reflection;
using System.Runtime.CompilerServices;
using ManyHands.Memory;
using ManyHands.Serialization;
using Xunit;

namespace ManyHands.Tests.Memory;

/// <summary>Arrays in shared memory: the same array everywhere, however it got there, and gone with its last user.</summary>
public sealed class SharedArrayTests : LeakChecked
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    public enum Engine
    {
        Inline,
        Threads,
        Rings,
        Sockets,
    }

    /// <summary>Why a worker ends with the call that has made its last result.</summary>
    public enum Leaving
    {
        Single,
        Recycled,
        Disposed,
    }

    [Theory]
    [InlineData(Engine.Inline)]
    [InlineData(Engine.Threads)]
    [InlineData(Engine.Rings)]
    [InlineData(Engine.Sockets)]
    public async Task Parts_FilledByWorkers_AreSeenHere(Engine engine)
    {
        await using Pool pool = Create(engine);
        using SharedArray<int> array = new(1_000_003);
        SharedArray<int>[] parts = array.Split(8);
        (int First, SharedArray<int> Part)[] work = [.. parts.Index().Select(part => (parts[..part.Index].Sum(before => (int)before.Length), part.Item))];
        await Task.WhenAll(work.Select(part => pool.RunAsync(SharedWork.Count, part.Part, part.First)));
        foreach (SharedArray<int> part in parts)
            part.Dispose();
        for (int i = 0; i < array.Length; i++)
        {
            if (array[i] != i)
                Assert.Equal(i, array[i]);
        }
    }

    [Fact]
    public async Task Array_Captured_Nested_AndNull_Arrives()
    {
        await using Pool pool = Pool.Processes(1);
        using SharedArray<double> array = new([1.5, 2.5, 3.5]);
        Assert.Equal(7.5, await pool.RunAsync(() => array.Span.ToArray().Sum()));
        using SharedArray<double> other = new([10.0]);
        Assert.Equal(17.5, await pool.RunAsync(SharedWork.SumOf, new SharedWork.Pair("two", array, [other, null])));
        Assert.True(await pool.RunAsync(SharedWork.IsNull, (SharedArray<double>?)null));
    }

    [Fact]
    public async Task Array_MadeByWorker_IsTheResult()
    {
        await using Pool pool = Pool.Processes(1);
        using SharedArray<int> made = await pool.RunAsync(SharedWork.Make, 1000);
        Assert.Equal(499_500, made.Span.ToArray().Sum());

        // The worker goes on with the same memory.
        made[0] = 7;
        Assert.Equal(499_507, await pool.RunAsync(SharedWork.Sum, made));
    }

    [Fact]
    public async Task Array_OfWorkerThatHasEnded_IsStillHere()
    {
        SharedArray<int> made;
        await using (WorkerProcess<SharedArray<int>> worker = WorkerProcess.Start(SharedWork.Make, 10))
            made = await worker;
        Assert.Equal(45, made.Span.ToArray().Sum());
        made.Dispose();
    }

    /// <summary>The receiver is slow over what comes before the array; until it has taken that as well, the process that made it stays.</summary>
    [Theory]
    [InlineData(Leaving.Single)]
    [InlineData(Leaving.Recycled)]
    [InlineData(Leaving.Disposed)]
    public async Task Array_OfWorkerThatEndsWithItsCall_IsThereForASlowReceiver(Leaving leaving)
    {
        SharedWork.Parcel made;
        SharedWork.Parcel.Reading = static () =>
        {
            // Which must not happen, so not for long.
            IReadOnlyCollection<int> children = ProcessInventory.Take().Children;
            SpinWait.SpinUntil(() => !children.All(ProcessInventory.IsAlive), TimeSpan.FromMilliseconds(300));
        };
        try
        {
            made = leaving == Leaving.Single ? await WorkerProcess.Start(SharedWork.MakeParcel) : await MakeInPool();
        }
        finally
        {
            SharedWork.Parcel.Reading = null;
        }

        Assert.Equal(45, made.Array!.Span.ToArray().Sum());
        made.Array.Dispose();

        async Task<SharedWork.Parcel> MakeInPool()
        {
            await using Pool pool = Pool.Processes(1, new() { MaxCallsPerWorker = leaving == Leaving.Recycled ? 1 : null });
            Task<SharedWork.Parcel> call = pool.RunAsync(SharedWork.MakeParcel);
            if (leaving == Leaving.Disposed)
                await pool.DisposeAsync();
            return await call;
        }
    }

    [Fact]
    public async Task Array_InGrandchild_IsTheSame()
    {
        await using Pool pool = Pool.Processes(1);
        using SharedArray<int> array = new(4);
        await pool.RunAsync(SharedWork.FillInChild, array, 9);
        Assert.Equal([9, 9, 9, 9], array.Span.ToArray());
    }

    [Fact]
    public async Task Array_OfAnySize_CostsTheSameToPass_AndIsMappedOnce()
    {
        await using Pool pool = Pool.Processes(1);
        using SharedArray<long> large = new(32 * 1024 * 1024);
        large[large.Length - 1] = 5;
        for (int i = 0; i < 20; i++)
            Assert.Equal(1, await pool.RunAsync(SharedWork.Mappings, large));
        long startedAt = Stopwatch.GetTimestamp();
        for (int i = 0; i < 100; i++)
            Assert.Equal(5, await pool.RunAsync(SharedWork.Last, large));

        // Copied, 25 GB would take far longer than this.
        Assert.InRange(FairClock.Since(startedAt), TimeSpan.Zero, TimeSpan.FromSeconds(3));
    }

    [Fact]
    public async Task Span_InACall_OutlivesCollections()
    {
        await using Pool pool = Pool.Processes(1);
        for (int i = 1; i <= 5; i++)
        {
            using SharedArray<int> array = new(100_000);
            await pool.RunAsync(SharedWork.FillSlowly, array, i);
            Assert.All(array.Span.ToArray(), value => Assert.Equal(i, value));
        }
    }

    [Fact]
    public async Task Worker_KeepsTheMemory_WhenItsMakerHasDisposedOfIt()
    {
        await using Pool pool = Pool.Processes(1);
        SharedArray<int> array = new([1, 2, 3]);
        await pool.RunAsync(SharedWork.Store, array);
        array.Dispose();
        Assert.Equal(6, await pool.RunAsync(SharedWork.SumStored));
    }

    [Fact]
    public async Task Worker_KilledInTheMiddle_LeavesTheArray()
    {
        await using Pool pool = Pool.Processes(1, new() { Output = static _ => { } });
        using SharedArray<int> array = new(1000);
        await Assert.ThrowsAsync<WorkerCrashedException>(() => pool.RunAsync(SharedWork.FillAndDie, array));
        Assert.Equal(3, array[0]);
        await pool.RunAsync(SharedWork.Count, array, 0);
        Assert.Equal(999, array[999]);
    }

    [Fact]
    public async Task Array_DisposedBeforeItIsSent_IsRefused()
    {
        await using Pool pool = Pool.Processes(1);
        SharedArray<int> array = new(1);
        array.Dispose();
        UnsendableCallException refused = await Assert.ThrowsAsync<UnsendableCallException>(() => pool.RunAsync(SharedWork.Sum, array));
        Assert.Contains("was disposed of", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Array_DisposedOfOnItsWay_Arrives()
    {
        using Gate gate = new();
        await using Pool pool = Pool.Processes(1);
        Task before = pool.RunAsync(Gate.Wait, gate.Path);
        SharedArray<int> waiting = new([1, 2, 3]);
        SharedArray<double> inside = new([10.0]);
        Task<int> sum = pool.RunAsync(SharedWork.Sum, waiting);
        Task<double> sumInside = pool.RunAsync(SharedWork.SumOf, new SharedWork.Pair("nested", inside, []));
        SharedArray<int> other = new([4, 5]);
        await using WorkerProcess<int> worker = WorkerProcess.Start(SharedWork.Sum, other);
        other.Dispose();
        Assert.Equal(9, await worker);
        waiting.Dispose();
        inside.Dispose();
        gate.Open();
        await before;
        Assert.Equal(6, await sum);
        Assert.Equal(10.0, await sumInside);
    }

    [Fact]
    public async Task Array_DisposedOfAfterItsCall_GivesItsMemoryBackAtOnce()
    {
        await using Pool pool = Pool.Processes(1);
        await pool.RunAsync(static () => { });
        int before = Descriptors();
        SharedArray<int> array = new([1, 2, 3]);
        Assert.Equal(6, await pool.RunAsync(SharedWork.Sum, array));
        Assert.Equal(20, await pool.MapAsync((int item) => array[0] + item, Enumerable.Range(0, 20)).CountAsync(TestContext.Current.CancellationToken));
        Assert.Equal(before + 1, Descriptors());
        long startedAt = Stopwatch.GetTimestamp();
        array.Dispose();
        await Eventually.True(() => Descriptors() == before, "the descriptor is closed");
        Assert.InRange(FairClock.Since(startedAt), TimeSpan.Zero, SharedBlock.TransitTime / 2);
    }

    /// <summary>What was sent with no call, as items of queues are: it stays until it has arrived.</summary>
    [Fact]
    public async Task Reference_WhoseSenderHasDisposedOfIt_ArrivesOnce()
    {
        int before = Descriptors();
        SharedArray<int> array = new([1, 2, 3]);
        Span<int> old = array.Span;
        SharedReference reference = SharedObjects.Refer(array);
        array.Dispose();
        Assert.Equal(0, old[0]);
        using (SharedArray<int> arrived = SharedObjects.Attach<SharedArray<int>>(in reference)!)
        {
            Assert.Equal([1, 2, 3], arrived.Span.ToArray());
            long startedAt = Stopwatch.GetTimestamp();
            await Eventually.True(() => Descriptors() == before + 1, "the sender's descriptor is closed");
            Assert.InRange(FairClock.Since(startedAt), TimeSpan.Zero, SharedBlock.TransitTime / 2);
        }

        Assert.Throws<SharedObjectLostException>(() => SharedObjects.Attach<SharedArray<int>>(in reference));
    }

    [Fact]
    public async Task References_MoreThanThereAreTicketsFor_StayTheirTime()
    {
        using TransitTime time = new(FairClock.Ordinary(TimeSpan.FromSeconds(2)));
        int before = Descriptors();
        SharedArray<int> array = new([1, 2, 3]);
        SharedReference[] references = [.. Enumerable.Range(0, SharedBlockHeader.MostTickets + 1).Select(_ => SharedObjects.Refer(array))];
        Assert.Equal(0u, references[^1].Ticket);
        Assert.Distinct(references.Select(reference => reference.Ticket));
        array.Dispose();
        foreach (SharedReference reference in references[..^1])
            SharedObjects.Attach<SharedArray<int>>(in reference)!.Dispose();
        Assert.Equal(before + 1, Descriptors());
        SharedObjects.Attach<SharedArray<int>>(in references[^1])!.Dispose();
        await Eventually.True(() => Descriptors() == before, "the sender's descriptor is closed", seconds: 30);
    }

    [Fact]
    public async Task Reference_ThatNobodyCameForInTime_IsATypedError()
    {
        using TransitTime time = new(TimeSpan.FromMilliseconds(300));
        int before = Descriptors();
        SharedArray<int> array = new(1);
        SharedReference reference = SharedObjects.Refer(array);
        array.Dispose();
        await Eventually.True(() => Descriptors() == before, "the transit time is over", seconds: 30);
        Assert.Throws<SharedObjectLostException>(() => SharedObjects.Attach<SharedArray<int>>(in reference));
    }

    [Fact]
    public async Task Reference_WhoseSenderHasEnded_IsATypedError()
    {
        using Gate gate = new();
        SharedQueue<SharedArray<int>> queue = new();
        await using (WorkerProcess worker = WorkerProcess.Start(SharedWork.EnqueueAndWait, queue, gate.Path))
        {
            await Eventually.True(() => queue.Count == 2, "both are sent", seconds: 60);
            using SharedArray<int> first = queue.Dequeue(TestContext.Current.CancellationToken);
            Assert.Equal(45, first.Span.ToArray().Sum());
            worker.Kill();
            await worker.JoinAsync(TestContext.Current.CancellationToken);
        }

        Assert.Throws<SharedObjectLostException>(() => queue.Dequeue(TestContext.Current.CancellationToken));
        queue.Dispose();
    }

    [Fact]
    public void Reference_ToNothing_IsATypedError()
    {
        using SharedArray<int> mine = new(1);
        SharedReference right = SharedObjects.Refer(mine);
        SharedReference reference = right with { Id = Guid.NewGuid() };
        Assert.Throws<SharedObjectLostException>(() => SharedObjects.Attach<SharedArray<int>>(in reference));
        Assert.Throws<SharedObjectLostException>(() => SharedObjects.Attach<SharedArray<int>>(reference with { Process = int.MaxValue }));
        Assert.Throws<SharedObjectLostException>(() => SharedObjects.Attach<SharedArray<int>>(reference with { Descriptor = 0 }));
        Assert.Throws<SharedObjectLostException>(() => SharedObjects.Attach<SharedArray<int>>(reference with { Descriptor = -5 }));
        SharedObjects.Attach<SharedArray<int>>(in right)!.Dispose();
    }

    [Theory]
    [InlineData(0, 2)]
    [InlineData(-1, 1)]
    [InlineData(1, 1)]
    [InlineData(0, 0)]
    [InlineData(long.MaxValue, 1)]
    [InlineData(0, long.MaxValue)]
    public void Reference_ToMoreThanThereIs_IsATypedError(long offset, long length)
    {
        using SharedArray<int> array = new(1);
        SharedReference reference = SharedObjects.Refer(array) with { Offset = offset, Length = length };
        Assert.Throws<CorruptSharedMemoryException>(() => SharedObjects.Attach<SharedArray<int>>(in reference));
    }

    [Fact]
    public void Reference_ToAnotherTypeOfArray_IsATypedError()
    {
        using SharedArray<int> array = new(4);
        SharedReference reference = SharedObjects.Refer(array);
        Assert.Throws<CorruptSharedMemoryException>(() => SharedObjects.Attach<SharedArray<long>>(in reference));
        Assert.Throws<CorruptSharedMemoryException>(() => SharedObjects.Attach<SharedMemory>(in reference));
    }

    [Fact]
    public async Task Header_OverwrittenByAnotherProcess_IsATypedError()
    {
        await using Pool pool = Pool.Processes(1);
        using SharedArray<int> array = new(16);
        Overwrite(array);
        UnsendableCallException refused = await Assert.ThrowsAsync<UnsendableCallException>(() => pool.RunAsync(SharedWork.Sum, array));
        Assert.Contains("overwritten", refused.Message, StringComparison.Ordinal);

        static unsafe void Overwrite(SharedArray<int> array)
        {
            fixed (int* first = array.Span)
                new Span<byte>((byte*)first - SharedBlock.HeaderSize, 8).Fill(0xFF);
        }
    }

    [Fact]
    public void Disposed_Array_IsRefused_AndItsSpansReadZeros()
    {
        SharedArray<int> array = new([1, 2]);
        Span<int> span = array.Span;
        array.Dispose();
        array.Dispose();
        Assert.Throws<ObjectDisposedException>(() => array[0]);
        Assert.Throws<ObjectDisposedException>(() => array.Span.Length);
        Assert.Throws<ObjectDisposedException>(() => array.Slice(0, 1));
        Assert.Equal(0, span[0]);
        span[1] = 5;
        GC.KeepAlive(array);
    }

    [Fact]
    public void Slice_OutlivesTheWhole()
    {
        SharedArray<int> array = new([1, 2, 3, 4]);
        using SharedArray<int> slice = array.Slice(1, 2);
        array.Dispose();
        Assert.Equal([2, 3], slice.Span.ToArray());
        Assert.Equal(2, slice.Memory.Span[0]);
        Assert.Throws<ArgumentOutOfRangeException>(() => slice[2]);
        Assert.Throws<ArgumentOutOfRangeException>(() => slice[-1]);
    }

    [Fact]
    public void BadSizes_AreRefused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new SharedArray<int>(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new SharedArray<int>(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new SharedArray<long>(long.MaxValue));
        IOException refused = Assert.Throws<IOException>(() => new SharedArray<byte>(1L << 50));
        Assert.Contains("bytes of shared memory are more than", refused.Message, StringComparison.Ordinal);
        using SharedArray<int> array = new(4);
        Assert.Throws<ArgumentOutOfRangeException>(() => array.Slice(0, 5));
        Assert.Throws<ArgumentOutOfRangeException>(() => array.Slice(5, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => array.Slice(-1, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => array.Split(5));
        Assert.Throws<ArgumentOutOfRangeException>(() => array.Split(0));
    }

    [Fact]
    public void ManagedElements_AreRefusedAtConstruction()
    {
        Type closed = typeof(SharedArray<>).MakeGenericType(typeof(WithReference));
        TargetInvocationException refused = Assert.Throws<TargetInvocationException>(() => Activator.CreateInstance(closed, 1L));
        Assert.Contains(nameof(WithReference), Assert.IsType<ArgumentException>(refused.InnerException).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Array_Forgotten_IsReclaimed()
    {
        int before = Descriptors();
        Forget();
        Assert.True(SpinWait.SpinUntil(
            () =>
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
                return Descriptors() <= before;
            },
            Deadline));

        [MethodImpl(MethodImplOptions.NoInlining)]
        static void Forget()
        {
            for (int i = 0; i < 10; i++)
                _ = new SharedArray<int>(1000);
        }

        static int Descriptors() => Directory.GetFiles("/proc/self/fd").Count(static path => new FileInfo(path).LinkTarget?.Contains("memfd:manyhands", StringComparison.Ordinal) == true);
    }

    private static Pool Create(Engine engine) => engine switch
    {
        Engine.Inline => Pool.Inline(),
        Engine.Threads => Pool.Threads(2),
        Engine.Rings => Pool.Processes(2),
        _ => Pool.Processes(2, new() { Transport = WorkerTransport.Sockets }),
    };

    private struct WithReference
    {
        public string Text { get; set; }
    }

    // Of shared memory, that of pools included.
    private static int Descriptors() => ProcessInventory.Take().Descriptors.GetValueOrDefault("memfd");
}
