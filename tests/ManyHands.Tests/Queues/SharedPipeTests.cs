using System.Diagnostics;
using System.Runtime.InteropServices;
using ManyHands.Memory;
using ManyHands.Platform;
using ManyHands.Queues;
using ManyHands.Serialization;
using ManyHands.Tests.Memory;
using Xunit;

namespace ManyHands.Tests.Queues;

/// <summary>The pipe between processes: whole messages, in order, and an end of the stream whoever dies.</summary>
public sealed class SharedPipeTests : LeakChecked
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(200);

    // Well above the 200 ms after which a waiter has found out that a holder is dead.
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(2);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public void Layout_IsTheOneInTheReadme()
    {
        Assert.Equal(1024, PipeHolders.ControlOffset);
        Assert.Equal(
            [0, 64, 1568],
            [(int)Marshal.OffsetOf<PipeControl>(nameof(PipeControl.SecondLane)), (int)Marshal.OffsetOf<PipeControl>(nameof(PipeControl.First)), (int)Marshal.OffsetOf<PipeControl>(nameof(PipeControl.Second))]);
        Assert.Equal([0, 8], [(int)Marshal.OffsetOf<PipeSide>(nameof(PipeSide.Changes)), (int)Marshal.OffsetOf<PipeSide>(nameof(PipeSide.Words))]);
        Assert.Equal(1504, Marshal.SizeOf<PipeSide>());
        Assert.Equal((123, 64), (PipeSide.Holders, PipeSide.Transits));

        // Fits between what a lane has there and its chunks.
        Assert.InRange((int)Marshal.OffsetOf<LaneControl>(nameof(LaneControl.SlotChunk)) + (MessageLane.LeaseTable.MostChunks * sizeof(uint)), 0, PipeHolders.ControlOffset);
        Assert.Equal(Marshal.SizeOf<LaneControl>(), PipeHolders.ControlOffset + Marshal.SizeOf<PipeControl>());
    }

    /// <summary>Also empty ones, and right after the parent's copy was disposed of, when the child doesn't have its own yet.</summary>
    [Fact]
    public async Task Messages_ComeBackAsTheyWent_OfAnySize()
    {
        (SharedPipeEnd<byte[]> here, SharedPipeEnd<byte[]> there) = SharedPipe.CreateDuplex<byte[]>();
        await using WorkerProcess<int> child = WorkerProcess.Start(PipeWork.Echo, there);
        there.Dispose();
        int[] sizes = [0, 1, 7, 8, 1000, 65_500, 65_536, 1_000_000, 50_000_000, 0, 3];
        foreach (int size in sizes)
        {
            byte[] message = new byte[size];
            new Random(size).NextBytes(message);
            await here.SendAsync(message, Token);
            byte[] received = await here.ReceiveAsync(Token).AsTask().InTime(Deadline, Token);
            Assert.True(message.AsSpan().SequenceEqual(received), $"{size} bytes");
        }

        here.Dispose();
        Assert.Equal(sizes.Length, await child);
    }

    /// <summary>One that is too large for the buffer stays where it is, for whoever comes with a larger one.</summary>
    [Fact]
    public async Task Bytes_AreReceivedIntoABuffer_WholeOrNotAtAll()
    {
        (SharedPipeEnd<byte[]> here, SharedPipeEnd<byte[]> there) = SharedPipe.CreateDuplex<byte[]>();
        await using WorkerProcess<int> child = WorkerProcess.Start(PipeWork.EchoBytes, there, 1_000_000);
        there.Dispose();
        byte[] buffer = new byte[1_000_000];
        int[] sizes = [0, 1, 16, 65_536, 1_000_000, 3];
        foreach (int size in sizes)
        {
            byte[] message = new byte[size];
            new Random(size).NextBytes(message);
            here.Send(message.AsSpan(), Token);
            if (size > 1)
            {
                BufferTooSmallException refused = Assert.Throws<BufferTooSmallException>(() => here.Receive(buffer.AsSpan(0, size - 1), Token));
                Assert.Equal(size, refused.MessageLength);
                refused = await Assert.ThrowsAsync<BufferTooSmallException>(async () => await here.ReceiveAsync(buffer.AsMemory(0, 0), Token));
                Assert.Equal(size, refused.MessageLength);
                Assert.Throws<BufferTooSmallException>(() => here.TryReceive(new byte[1].AsSpan(), out _, default, Token));
            }

            Array.Fill(buffer, (byte)0xEE);
            Assert.Equal(size, size % 2 == 0 ? here.Receive(buffer.AsSpan(), Token) : await here.ReceiveAsync(buffer.AsMemory(), Token));
            Assert.True(message.AsSpan().SequenceEqual(buffer.AsSpan(0, size)), $"{size} bytes");
            Assert.False(buffer.AsSpan(size).ContainsAnyExcept((byte)0xEE));
        }

        // The same messages, whichever way they are sent and received.
        await here.SendAsync(new byte[] { 1, 2 }.AsMemory(), Token);
        Assert.True(here.TrySend([3], Deadline, Token));
        here.Send(null!, Token);
        Assert.Equal([1, 2], here.Receive(Token));
        Assert.True(here.TryReceive(buffer, out int length, Deadline, Token));
        Assert.Equal((1, 3), (length, buffer[0]));
        Assert.Equal(0, here.Receive(buffer.AsSpan(), Token));
        Assert.False(here.TryReceive(buffer.AsSpan(), out length, Short, Token));
        here.Dispose();
        Assert.Equal(sizes.Length + 3, await child);
    }

    [Fact]
    public async Task Bytes_EndWithTheStream()
    {
        (SharedPipeEnd<byte[]> receiver, SharedPipeEnd<byte[]> sender) = SharedPipe.CreateSimplex<byte[]>();
        sender.Send(stackalloc byte[] { 1 }, Token);
        sender.Dispose();
        byte[] buffer = new byte[1];
        Assert.Equal(1, receiver.Receive(buffer.AsSpan(), Token));
        Assert.Throws<EndOfStreamException>(() => receiver.Receive(buffer.AsSpan(), Token));
        await Assert.ThrowsAsync<EndOfStreamException>(async () => await receiver.ReceiveAsync(buffer.AsMemory(), Token));
        receiver.Dispose();
        Assert.Throws<ObjectDisposedException>(() => receiver.Receive(buffer.AsSpan(), Token));
    }

    /// <summary>An end that waits in the queue of a pool for longer than the time that holds for what no call was sent.</summary>
    [Fact]
    public async Task End_DisposedOfWhileItsCallWaits_KeepsThePipeOpen()
    {
        using TransitTime time = new(TimeSpan.FromMilliseconds(300));
        using Gate gate = new();
        await using Pool pool = Pool.Processes(1);
        Task before = pool.RunAsync(Gate.Wait, gate.Path);
        (SharedPipeEnd<int> receiver, SharedPipeEnd<int> sender) = SharedPipe.CreateSimplex<int>();
        Task sending = pool.RunAsync(PipeWork.SendAndLeave, sender, 3);
        sender.Dispose();
        Assert.False(receiver.WaitToReceive(SharedBlock.TransitTime + Short, Token));
        gate.Open();
        await before;
        await sending;
        Assert.Equal([0, 1, 2], [receiver.Receive(Token), receiver.Receive(Token), receiver.Receive(Token)]);

        // A call that nobody runs any more sends nothing either.
        (SharedPipeEnd<int> other, sender) = SharedPipe.CreateSimplex<int>();
        Task gone = pool.RunAsync(PipeWork.DieWith, sender);
        sender.Dispose();
        await Assert.ThrowsAsync<WorkerCrashedException>(() => gone);
        await Assert.ThrowsAsync<EndOfStreamException>(() => other.ReceiveAsync(Token).AsTask().InTime(Bound, Token));
        other.Dispose();
        receiver.Dispose();
    }

    [Fact]
    public async Task BothDirections_AtOnce()
    {
        const int Count = 20_000;
        (SharedPipeEnd<int> here, SharedPipeEnd<int> there) = SharedPipe.CreateDuplex<int>(capacity: 100);
        await using WorkerProcess<int> child = WorkerProcess.Start(PipeWork.SendNumbersAndReceive, there, Count);
        there.Dispose();
        Assert.Equal(Count, await Task.Run(() => PipeWork.SendNumbersAndReceive(here, Count), Token));
        Assert.Equal(Count, await child);
    }

    [Fact]
    public void Simplex_GoesOneWay()
    {
        (SharedPipeEnd<string> receiver, SharedPipeEnd<string> sender) = SharedPipe.CreateSimplex<string>();
        Assert.Equal((true, false, false, true), (receiver.CanReceive, receiver.CanSend, sender.CanReceive, sender.CanSend));
        Assert.Throws<InvalidOperationException>(() => receiver.Send("", Token));
        Assert.Throws<InvalidOperationException>(() => sender.Receive(Token));
        Assert.Throws<InvalidOperationException>(() => sender.IsMessageWaiting);
        Assert.False(receiver.IsMessageWaiting);
        Assert.False(receiver.WaitToReceive(TimeSpan.Zero, Token));
        sender.Send("", Token);
        sender.Send("b", Token);
        Assert.True(receiver.IsMessageWaiting);
        Assert.True(receiver.WaitToReceive(Timeout.InfiniteTimeSpan, Token));
        Assert.Equal(["", "b"], [receiver.Receive(Token), receiver.Receive(Token)]);
        sender.Dispose();
        Assert.True(receiver.WaitToReceive(TimeSpan.Zero, Token));
        Assert.Throws<EndOfStreamException>(() => receiver.TryReceive(out _));
        receiver.Dispose();
    }

    [Fact]
    public async Task Waits_EndInTime_NeverEarly_AndWhenCancelled()
    {
        (SharedPipeEnd<int> receiver, SharedPipeEnd<int> sender) = SharedPipe.CreateSimplex<int>(capacity: 1);
        using (receiver)
        using (sender)
        {
            foreach (Func<bool> wait in (Func<bool>[])[() => receiver.TryReceive(out _, Short, Token), () => receiver.WaitToReceive(Short, Token), () => !sender.TrySend(1) || sender.TrySend(2, Short, Token)])
            {
                long startedAt = Stopwatch.GetTimestamp();
                Assert.False(wait());
                Assert.True(Stopwatch.GetElapsedTime(startedAt) >= Short, "too early");
                Assert.InRange(FairClock.Since(startedAt), TimeSpan.Zero, Short + Bound);
            }

            using CancellationTokenSource cancel = new();
            Task sending = sender.SendAsync(3, cancel.Token).AsTask();
            Assert.Equal(1, receiver.Receive(Token));
            await sending.InTime(Deadline, Token);
            Assert.Equal(3, receiver.Receive(Token));
            Task[] waits = [receiver.ReceiveAsync(cancel.Token).AsTask(), Task.Run(() => receiver.Receive(cancel.Token), Token), Task.Run(() => receiver.WaitToReceive(Deadline, cancel.Token), Token)];
            cancel.CancelAfter(50);
            foreach (Task wait in waits)
                await Assert.ThrowsAnyAsync<OperationCanceledException>(() => wait.InTime(Deadline, Token));
            Assert.Throws<ArgumentOutOfRangeException>(() => receiver.WaitToReceive(TimeSpan.FromSeconds(-2), Token));
        }
    }

    [Fact]
    public async Task EndOfStream_ComesAfterWhatIsThere_WhenTheOtherSideDisposes()
    {
        (SharedPipeEnd<int> here, SharedPipeEnd<int> there) = SharedPipe.CreateDuplex<int>();
        there.Send(1, Token);
        there.Send(2, Token);
        there.Dispose();
        Assert.Equal([1, 2], here.ReceiveAll(Token));
        Assert.Throws<EndOfStreamException>(() => here.Receive(Token));
        await Assert.ThrowsAsync<EndOfStreamException>(async () => await here.ReceiveAsync(Token));
        Assert.Throws<PipeBrokenException>(() => here.Send(1, Token));
        await Assert.ThrowsAsync<PipeBrokenException>(async () => await here.SendAsync(1, Token));
        here.Dispose();

        // Who waits is told at once, also by another process.
        await using Pool pool = Pool.Processes(1);
        (here, there) = SharedPipe.CreateDuplex<int>();
        Task<int> waiting = Task.Run(() => here.Receive(Token), Token);
        Task<int> waitingAsync = here.ReceiveAsync(Token).AsTask();
        Task disposing = pool.RunAsync(PipeWork.DisposeOf, there);
        there.Dispose();
        await disposing;
        await Assert.ThrowsAsync<EndOfStreamException>(() => waiting.InTime(Bound, Token));
        await Assert.ThrowsAsync<EndOfStreamException>(() => waitingAsync.InTime(Bound, Token));
        here.Dispose();
    }

    [Fact]
    public async Task EndOfStream_ComesWhenTheOtherSideEnds()
    {
        (SharedPipeEnd<int> receiver, SharedPipeEnd<int> sender) = SharedPipe.CreateSimplex<int>();
        await using WorkerProcess child = WorkerProcess.Start(PipeWork.SendAndLeave, sender, 1000);
        sender.Dispose();
        List<int> received = [];
        await foreach (int number in receiver.ReceiveAllAsync(Token))
            received.Add(number);
        Assert.Equal(Enumerable.Range(0, 1000), received);
        receiver.Dispose();
    }

    [Fact]
    public async Task KilledSides_AreNoticed_AndStoppedOnesAreNotGone()
    {
        using Gate gate = new();
        (SharedPipeEnd<int> here, SharedPipeEnd<int> there) = SharedPipe.CreateDuplex<int>(capacity: 1);
        await using WorkerProcess child = WorkerProcess.Start(PipeWork.HoldUntil, there, gate.Path, gate.Named("never"));
        there.Dispose();
        await gate.WaitAsync();
        here.Send(1, Token);
        Assert.Equal(0, Linux.Kill(child.Id, Linux.Sigstop));
        await Eventually.True(() => ProcessInventory.IsStopped(child.Id), "the child stops");
        Assert.False(here.TryReceive(out _, TimeSpan.FromMilliseconds(500), Token));
        Assert.False(here.TrySend(2, TimeSpan.FromMilliseconds(500), Token));
        Task[] receiving = [Task.Run(() => here.Receive(Token), Token), here.ReceiveAsync(Token).AsTask()];
        Task[] sending = [Task.Run(() => here.Send(2, Token), Token), here.SendAsync(2, Token).AsTask()];
        Assert.Equal(0, Linux.Kill(child.Id, Linux.Sigkill));
        long startedAt = Stopwatch.GetTimestamp();
        foreach (Task one in receiving)
            await Assert.ThrowsAsync<EndOfStreamException>(() => one.InTime(Bound, Token));
        foreach (Task one in sending)
            await Assert.ThrowsAsync<PipeBrokenException>(() => one.InTime(Bound, Token));
        Assert.InRange(FairClock.Since(startedAt), TimeSpan.Zero, Bound);
        here.Dispose();
    }

    [Fact]
    public async Task ManyKills_LeaveOrderAndAnEnd()
    {
        const int Rounds = 30;
        Random random = new(7);
        for (int round = 0; round < Rounds; round++)
        {
            (SharedPipeEnd<int> receiver, SharedPipeEnd<int> sender) = SharedPipe.CreateSimplex<int>(capacity: 1000);
            await using WorkerProcess child = WorkerProcess.Start(PipeWork.SendFor, sender, 0);
            sender.Dispose();
            Assert.Equal(0, receiver.Receive(Token));
            int expected = 1;
            int killAt = random.Next(1, 2000);
            long killedAt = 0;
            foreach (int number in receiver.ReceiveAll(Token))
            {
                Assert.Equal(expected++, number);
                if (number == killAt)
                {
                    child.Kill();
                    killedAt = Stopwatch.GetTimestamp();
                }
            }

            Assert.True(killedAt > 0, "the stream ended before the kill");
            Assert.InRange(FairClock.Since(killedAt), TimeSpan.Zero, Bound);
            receiver.Dispose();
        }
    }

    [Fact]
    public async Task KilledReceivers_FailTheSender_WhenTheLastIsGone()
    {
        using Gate gate = new();
        (SharedPipeEnd<int> receiver, SharedPipeEnd<int> sender) = SharedPipe.CreateSimplex<int>(capacity: 10);
        await using WorkerProcess one = WorkerProcess.Start(PipeWork.ReceiveFor, receiver, gate.Named("one"));
        await using WorkerProcess two = WorkerProcess.Start(PipeWork.ReceiveFor, receiver, gate.Named("two"));
        receiver.Dispose();
        await Gate.WaitAsync(gate.Named("one"));
        await Gate.WaitAsync(gate.Named("two"));
        one.Kill();
        await one.JoinAsync(Token);
        for (int i = 0; i < 100; i++)
            Assert.True(sender.TrySend(i, Deadline, Token));
        two.Kill();
        long startedAt = Stopwatch.GetTimestamp();
        Assert.Throws<PipeBrokenException>(() => SendUntilRefused(sender));
        Assert.InRange(FairClock.Since(startedAt), TimeSpan.Zero, Bound);
        sender.Dispose();
    }

    [Fact]
    public async Task Ends_TravelInRecords_ToGrandchildren_InCaptures_AndAsResults()
    {
        await using Pool pool = Pool.Processes(1);
        (SharedPipeEnd<string> receiver, SharedPipeEnd<string> sender) = SharedPipe.CreateSimplex<string>();
        Task below = pool.RunAsync(PipeWork.SendTextInGrandchild, new PipeWork.Parcel("from below", sender));
        sender.Dispose();
        Assert.Equal("from below", await receiver.ReceiveAsync(Token));
        await below;
        await Assert.ThrowsAsync<EndOfStreamException>(async () => await receiver.ReceiveAsync(Token).AsTask().InTime(Bound, Token));
        receiver.Dispose();

        (receiver, sender) = SharedPipe.CreateSimplex<string>();
        SharedPipeEnd<string> captured = sender;
        await pool.RunAsync(() => captured.Send("captured"));
        Assert.Equal("captured", receiver.Receive(Token));
        sender.Dispose();
        receiver.Dispose();

        using SharedPipeEnd<string> made = await pool.RunAsync(PipeWork.MakeAndReturn);
        Assert.Equal("made elsewhere", made.Receive(Token));
        Assert.Throws<EndOfStreamException>(() => made.Receive(Token));
    }

    /// <summary>A worker that lives on has forgotten its end without disposing of it.</summary>
    [Fact]
    public void ForgottenEnds_AreCollected()
    {
        SharedPipeEnd<int> receiver = MakeAndForget();
        long startedAt = Stopwatch.GetTimestamp();
        bool ended = false;
        while (!ended && Stopwatch.GetElapsedTime(startedAt) < Deadline)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            ended = receiver.WaitToReceive(TimeSpan.FromMilliseconds(10), Token);
        }

        Assert.Throws<EndOfStreamException>(() => receiver.TryReceive(out _));
        receiver.Dispose();
    }

    [Fact]
    public async Task Disposed_End_RefusesAndWakesItsOwn()
    {
        (SharedPipeEnd<int> here, SharedPipeEnd<int> there) = SharedPipe.CreateDuplex<int>(capacity: 1);
        here.Send(1, Token);
        Task[] waits = [Task.Run(() => here.Receive(Token), Token), here.ReceiveAsync(Token).AsTask(), Task.Run(() => here.Send(2, Token), Token), here.SendAsync(2, Token).AsTask()];
        here.Dispose();
        here.Dispose();
        foreach (Task wait in waits)
            await Assert.ThrowsAsync<ObjectDisposedException>(() => wait.InTime(Bound, Token));
        Assert.Throws<ObjectDisposedException>(() => here.IsMessageWaiting);
        Assert.Throws<ObjectDisposedException>(() => here.Send(1, Token));
        Assert.Equal([1], there.ReceiveAll(Token));
        there.Dispose();
    }

    [Fact]
    public async Task Nonsense_InTheMemory_IsATypedError()
    {
        await using Pool pool = Pool.Processes(1);
        (SharedPipeEnd<int> here, SharedPipeEnd<int> there) = SharedPipe.CreateDuplex<int>();

        // Holders that can't be are nobody.
        Write(here, PipeHolders.ControlOffset + 64 + 1504 + 8, ulong.MaxValue);
        Assert.Throws<PipeBrokenException>(() => SendUntilRefused(here));
        Write(here, PipeHolders.ControlOffset, 0);
        Write(here, PipeHolders.ControlOffset + 8, 0);
        UnsendableCallException refused = await Assert.ThrowsAsync<UnsendableCallException>(() => pool.RunAsync(PipeWork.DisposeOf, here));
        Assert.Contains(nameof(CorruptSharedMemoryException), refused.ToString(), StringComparison.Ordinal);
        there.Send(5, Token);
        Write(here, 4096 + 8, ulong.MaxValue);
        Assert.Throws<CorruptSharedMemoryException>(() => here.Receive(Token));
        here.Dispose();
        there.Dispose();
        Assert.Throws<CorruptSharedMemoryException>(() => SharedObjects.Attach<SharedPipeEnd<int>>(new(Guid.NewGuid(), 1, 1, 1, 77, -1)));
        Assert.Throws<ArgumentOutOfRangeException>(() => SharedPipe.CreateDuplex<int>(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => SharedPipe.CreateSimplex<int>(0, 1000));
    }

    [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
    private static SharedPipeEnd<int> MakeAndForget() => SharedPipe.CreateSimplex<int>().Receiver;

    private static void SendUntilRefused(SharedPipeEnd<int> end)
    {
        long startedAt = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(startedAt) < Bound)
            end.Send(1, Token);
    }

    private static unsafe void Write(SharedPipeEnd<int> end, int offset, ulong value) => *(ulong*)(PipeWork.FirstLane(end) + offset) = value;
}
