using System.Runtime.InteropServices;
using CsCheck;
using ManyHands.Platform;
using ManyHands.Transport;
using Xunit;

namespace ManyHands.Tests.Transport;

/// <summary>Both ends of a worker's channel in one process, and what the other side may write into the memory they share.</summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed unsafe class RingTests : LeakChecked
{
    private const int WriteOnly = 1;

    [Fact]
    public void Layout_IsTheOneInTheReadme()
    {
        Assert.Equal(512, sizeof(RingControl));
        Assert.Equal(0, Offset<RingControl>(nameof(RingControl.Tail)));
        Assert.Equal(128, Offset<RingControl>(nameof(RingControl.Head)));
        Assert.Equal(256, Offset<RingControl>(nameof(RingControl.ReaderSleeps)));
        Assert.Equal(260, Offset<RingControl>(nameof(RingControl.ReaderWakes)));
        Assert.Equal(384, Offset<RingControl>(nameof(RingControl.WriterWaits)));
        Assert.Equal(388, Offset<RingControl>(nameof(RingControl.RoomWakes)));
        Assert.Equal(512, sizeof(WorkerControl));
        Assert.Equal(0, Offset<WorkerControl>(nameof(WorkerControl.StartedSequence)));
        Assert.Equal(8, Offset<WorkerControl>(nameof(WorkerControl.StartedAt)));
        Assert.Equal(128, Offset<WorkerControl>(nameof(WorkerControl.Gathered)));
        Assert.Equal(256, Offset<WorkerControl>(nameof(WorkerControl.Urgent)));
        Assert.Equal(256u * 1024, RingSegment.Capacity);

        static int Offset<T>(string field) => (int)Marshal.OffsetOf<T>(field);
    }

    [Fact]
    public void Frames_OfAnySize_ComeWholeAndInOrder() =>
        Gen.Select(Gen.Int[0, 3000].List[0, 400], Gen.Int[1, 50]).Sample(
            (sizes, readEach) =>
            {
                using ChannelPair pair = new();
                int read = 0;
                for (int i = 0; i < sizes.Count; i++)
                {
                    byte[] payload = new byte[sizes[i]];
                    Array.Fill(payload, (byte)i);
                    pair.Parent.Send(FrameKind.Define, i, payload);
                    if (i % readEach == 0)
                        ReadAll();
                }

                ReadAll();
                return read == sizes.Count;

                void ReadAll()
                {
                    // What found no room is sent when there is some, which the thread that waits for frames sees to.
                    while (read < sizes.Count && pair.Worker.TryRead(out Frame frame))
                    {
                        Assert.Equal(read, frame.Id);
                        Assert.Equal(sizes[read], frame.Payload.Length);
                        Assert.True(frame.Payload.Span.IndexOfAnyExcept((byte)read) < 0);
                        pair.Worker.Release(frame);
                        read++;
                    }
                }
            },
            iter: 200);

    [Fact]
    public void ParentsSend_RingIsFull_NeverWaits_AndAllArrives()
    {
        using ChannelPair pair = new();
        byte[] payload = new byte[10_000];
        for (int i = 0; i < 200; i++)
            pair.Parent.Send(FrameKind.Define, i, payload);
        Thread waiting = new(() => pair.Parent.WaitForFrame());
        waiting.Start();
        for (int i = 0; i < 200;)
        {
            if (!pair.Worker.TryRead(out Frame frame))
            {
                Thread.Yield();
                continue;
            }

            Assert.Equal(i++, frame.Id);
            pair.Worker.Release(frame);
        }

        pair.Parent.Close();
        waiting.Join();
    }

    [Fact]
    public void LargePayload_BothWays_IsReadWhereItIs()
    {
        using ChannelPair pair = new();
        byte[] payload = new byte[5_000_000];
        new Random(1).NextBytes(payload);
        for (int i = 0; i < 3; i++)
        {
            pair.Parent.Send(FrameKind.Define, i, payload);
            Assert.True(pair.Worker.TryRead(out Frame there));
            Assert.True(there.Payload.Span.SequenceEqual(payload));
            pair.Worker.Release(there);
            pair.Worker.Send(FrameKind.Ended, i, payload);
            Assert.True(pair.Parent.TryRead(out Frame back));
            Assert.True(back.Payload.Span.SequenceEqual(payload));
            pair.Parent.Release(back);
        }
    }

    [Fact]
    public void Gathered_NotYetSent_IsReadableByTheParent()
    {
        using ChannelPair pair = new();
        Assert.True(pair.Worker.TryGather(7, [1, 2, 3]));
        Assert.True(pair.Worker.TryGather(8, [4]));
        Assert.False(pair.Parent.TryRead(out _));
        Assert.True(pair.Parent.TryReadGathered(out Frame frame));
        Assert.Equal((FrameKind.Results, 7L, 2UL), (frame.Kind, frame.Id, frame.Argument));
        Assert.Equal([3, 0, 0, 0, 1, 2, 3, 1, 0, 0, 0, 4], frame.Payload.ToArray());

        // Once sent it is a frame, and no longer gathered.
        pair.Worker.Flush();
        Assert.True(pair.Parent.TryRead(out Frame sent));
        Assert.Equal((7L, 2UL), (sent.Id, sent.Argument));
        pair.Parent.Release(sent);
        Assert.False(pair.Parent.TryReadGathered(out _));
    }

    [Fact]
    public void Started_IsWhatTheWorkerSaidLast_AlsoAfterTheEnd()
    {
        ChannelPair pair = new();
        pair.Worker.MarkStarted(41, withTime: true);
        Assert.Equal(41, pair.Parent.Started.Sequence);
        pair.Dispose();
        Assert.Equal(41, pair.Parent.Started.Sequence);
    }

    public static TheoryData<string, ulong> BadPositions => new()
    {
        { "beyond the capacity", 1 << 20 },
        { "not a multiple of eight", 17 },
        { "the largest number", ulong.MaxValue },
        { "just below zero", unchecked((ulong)-8) },
    };

    [Theory]
    [MemberData(nameof(BadPositions))]
    public void Parent_WorkerClaimsAnImpossiblePosition_IsTold(string what, ulong tail)
    {
        using ChannelPair pair = new();
        pair.ToParent->Tail = tail;
        Assert.True(Assert.Throws<InvalidDataException>(() => pair.Parent.TryRead(out _)).Message.Contains("damaged", StringComparison.Ordinal), what);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(int.MinValue)]
    [InlineData(int.MaxValue)]
    [InlineData(1_000_000)]
    [InlineData(25)]
    public void Parent_FrameOfAnImpossibleLength_IsTold(int length)
    {
        using ChannelPair pair = new();
        *(int*)pair.ToParentData = length;
        pair.ToParent->Tail = 40;
        Assert.Throws<InvalidDataException>(() => pair.Parent.TryRead(out _));
    }

    [Fact]
    public void Parent_AnyBytesAsFrames_EndInFramesOrAreRefused() =>
        Gen.Byte.Array[8, 4096].Sample(
            bytes =>
            {
                using ChannelPair pair = new();
                bytes.CopyTo(new Span<byte>(pair.ToParentData, bytes.Length));
                pair.ToParent->Tail = (ulong)(bytes.Length & ~7);
                try
                {
                    while (pair.Parent.TryRead(out Frame frame))
                    {
                        _ = frame.Payload.Span.Length;
                        pair.Parent.Release(frame);
                    }
                }
                catch (InvalidDataException)
                {
                    // Refused, as it should be.
                }
            },
            iter: 2000);

    [Fact]
    public void Parent_SegmentThatWasNeverSent_IsRefused()
    {
        using ChannelPair pair = new();
        byte* at = pair.ToParentData;
        *(int*)at = 2 * sizeof(long);
        at[4] = (byte)FrameKind.Ended;
        at[5] = Frame.InSegment;
        *(long*)(at + 16) = 99;
        *(long*)(at + 24) = 1000;
        pair.ToParent->Tail = 32;
        Assert.Throws<InvalidDataException>(() => pair.Parent.TryRead(out _));
    }

    [Fact]
    public void Segment_NotSealed_IsRefused()
    {
        int descriptor = Linux.MemoryFile("manyhands");
        Assert.Equal(0, Linux.Allocate(descriptor, 0, 4096));
        Assert.Throws<InvalidDataException>(() => SharedSegment.Open(1, descriptor));
    }

    [Fact]
    public void Segment_SentForReading_CannotBeWrittenToThroughItsDescriptor()
    {
        SharedSegment segment = SharedSegment.Create(1, 1 << 20);
        int reading = segment.ReadOnlyDescriptor();
        Assert.True(Linux.Map(null, 4096, Linux.ProtectRead | Linux.ProtectWrite, Linux.MapShared, reading, 0) == (byte*)-1);
        Linux.Close(reading);
        segment.Free();
    }

    /// <summary>What the system refuses to map isn't taken for damage, and nothing but what says so is thrown.</summary>
    [Fact]
    public void Segment_ThatCannotBeRead_IsRefusedWhenItIsMapped()
    {
        SharedSegment segment = SharedSegment.Create(1, 1 << 20);
        int writing;
        fixed (byte* path = System.Text.Encoding.UTF8.GetBytes($"/proc/self/fd/{segment.Descriptor}\0"))
            writing = Linux.Check(Linux.Open(path, WriteOnly | Linux.OpenCloseOnExec), "open");
        SharedSegment received = SharedSegment.Open(1, writing);
        Assert.Throws<IOException>(received.MapForReading);
        Assert.Throws<IOException>(received.MapForReading);
        received.Free();
        segment.Free();
    }

    /// <summary>The two ends of one channel.</summary>
    private sealed class ChannelPair : IDisposable
    {
        private readonly RingSegment parentsMemory;

        public ChannelPair()
        {
            int* sockets = stackalloc int[2];
            Linux.Check(Linux.SocketPair(Linux.SocketFamilyUnix, Linux.SocketStream | Linux.SocketCloseOnExec, 0, sockets), "socketpair");
            parentsMemory = RingSegment.Create(out int descriptor);
            Parent = new RingChannel(parentsMemory, sockets[0], isWorker: false);
            Worker = new RingChannel(RingSegment.Open(descriptor), sockets[1], isWorker: true);
            Linux.Close(descriptor);
        }

        public RingChannel Parent { get; }

        public RingChannel Worker { get; }

        public RingControl* ToParent => (RingControl*)((byte*)parentsMemory.Worker - 512);

        public byte* ToParentData => (byte*)parentsMemory.Worker - 1536 + 4096 + (2 * RingSegment.Capacity);

        public void Dispose()
        {
            Parent.Dispose();
            Worker.Dispose();
        }
    }
}
