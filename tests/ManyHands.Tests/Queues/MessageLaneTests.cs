using System.Runtime.InteropServices;
using CsCheck;
using ManyHands.Memory;
using ManyHands.Queues;
using ManyHands.Serialization;
using Xunit;

namespace ManyHands.Tests.Queues;

/// <summary>The lane itself: its layout, and what it does against a plain queue as the model.</summary>
public sealed class MessageLaneTests : LeakChecked
{
    [Fact]
    public void Layout_IsTheOneInTheReadme()
    {
        (string Field, int Offset)[] fields =
        [
            (nameof(LaneControl.Capacity), 0), (nameof(LaneControl.Completed), 8), (nameof(LaneControl.WriterLock), 64), (nameof(LaneControl.Tail), 72),
            (nameof(LaneControl.Added), 80), (nameof(LaneControl.NextTail), 88), (nameof(LaneControl.NextAdded), 96), (nameof(LaneControl.Chunks), 104), (nameof(LaneControl.SeenTaken), 112),
            (nameof(LaneControl.ReaderLock), 192), (nameof(LaneControl.Head), 200), (nameof(LaneControl.Taken), 208), (nameof(LaneControl.NextHead), 216),
            (nameof(LaneControl.NextTaken), 224), (nameof(LaneControl.SeenTail), 232), (nameof(LaneControl.Done), 240), (nameof(LaneControl.Messages), 320),
            (nameof(LaneControl.Room), 448), (nameof(LaneControl.Idle), 576), (nameof(LaneControl.Leases), 704), (nameof(LaneControl.Returned), 708),
            (nameof(LaneControl.SlotBound), 712), (nameof(LaneControl.FirstFree), 716), (nameof(LaneControl.SlotChunks), 720), (nameof(LaneControl.Ticket), 728),
            (nameof(LaneControl.NextSweep), 736), (nameof(LaneControl.SlotChunk), 768),
        ];
        Assert.All(fields, field => Assert.Equal(field.Offset, (int)Marshal.OffsetOf<LaneControl>(field.Field)));
        Assert.Equal(4096, Marshal.SizeOf<LaneControl>());
        Assert.Equal(64 * 1024, MessageLane.ChunkSize);
        (string Field, int Offset)[] slot =
        [
            (nameof(LeaseSlot.State), 0), (nameof(LeaseSlot.Deliveries), 4), (nameof(LeaseSlot.Owner), 8), (nameof(LeaseSlot.Ticket), 16), (nameof(LeaseSlot.Position), 24),
            (nameof(LeaseSlot.Ordinal), 32), (nameof(LeaseSlot.Deadline), 40),
        ];
        Assert.All(slot, field => Assert.Equal(field.Offset, (int)Marshal.OffsetOf<LeaseSlot>(field.Field)));
        Assert.Equal(64, Marshal.SizeOf<LeaseSlot>());
        Assert.Equal(65_472, MessageLane.LeaseTable.MostChunks * MessageLane.LeaseTable.SlotsPerChunk);
    }

    /// <summary>Positive numbers add a message of that size; the others take one, lease one, complete a lease and abandon one.</summary>
    [Fact]
    public void Lane_IsAQueue() =>
        Gen.Select(Gen.Int[-4, 4].SelectMany(kind => kind <= 0 ? Gen.Const(kind) : kind == 4 ? Gen.Int[1, 200_000] : Gen.Int[1, 3000]).List[0, 300], Gen.Int[0, 20]).Sample(
            (steps, capacity) =>
            {
                SharedBlock block = SharedBlock.Create(SharedKind.Queue, MessageLane.SizeOf(2), largest: 1_500_000);
                MessageLane.Initialize(block, capacity);
                LaneAndModel pair = new(new MessageLane(block), capacity, new Random(steps.Count));
                foreach (int step in steps)
                {
                    pair.Take(step);
                    pair.Check();
                }

                pair.CompleteAll();
                block.EndUser();
            },
            iter: 200);

    /// <summary>One lane is filled and emptied with as many leases as there may be, and then refuses.</summary>
    [Fact]
    public void Leases_AsManyAsThereMayBe()
    {
        const int Most = MessageLane.LeaseTable.MostChunks * MessageLane.LeaseTable.SlotsPerChunk;
        SharedBlock block = SharedBlock.Create(SharedKind.Queue, MessageLane.SizeOf(2), largest: 64 << 20);
        MessageLane.Initialize(block, 0);
        MessageLane lane = new(block);
        LaneTurn turn = default;
        using (OutgoingMessages messages = OutgoingMessages.Rent())
        {
            for (int i = 0; i <= Most; i++)
                messages.Add(i);
            Assert.Equal(AddResult.Added, lane.TryAdd(messages, ref turn, thorough: false, out _));
        }

        LaneLease[] leases = new LaneLease[Most];
        for (int i = 0; i < Most; i++)
            Assert.Equal(i, Lease(lane, out leases[i]));
        Assert.Contains("on lease", Assert.Throws<IOException>(() => Lease(lane, out _)).Message, StringComparison.Ordinal);
        Assert.Equal((1L, Most), (lane.Count, lane.LeasedCount));
        Assert.True(lane.Settle(leases[Most / 2], LeaseEnd.Abandoned));
        Assert.Equal(Most / 2, Lease(lane, out LaneLease again));
        Assert.Equal(2, again.Deliveries);
        Assert.False(lane.Settle(leases[Most / 2], LeaseEnd.Completed));
        leases[Most / 2] = again;
        for (int i = Most - 1; i >= 0; i--)
            Assert.True(lane.Settle(leases[i], LeaseEnd.Completed));
        Assert.Equal(Most, Lease(lane, out LaneLease last));
        Assert.False(lane.IsIdle);
        Assert.True(lane.Settle(last, LeaseEnd.Completed));
        Assert.True(lane.IsIdle);
        block.EndUser();
    }

    private static int Lease(MessageLane lane, out LaneLease lease)
    {
        LaneTurn turn = default;
        using TakenMessages taken = TakenMessages.Rent();
        Assert.True(lane.TryLease(taken, long.MaxValue, out lease, ref turn, thorough: false, out _));
        return BitConverter.ToInt32(taken[0].Span);
    }

    private sealed class LaneAndModel(MessageLane lane, int capacity, Random random)
    {
        private readonly Queue<(int Ordinal, byte[] Message)> waiting = [];
        private readonly SortedDictionary<int, (byte[] Message, int Deliveries)> returned = [];
        private readonly List<(LaneLease Lease, int Ordinal, byte[] Message)> leased = [];
        private LaneTurn turn;
        private int added;

        public void Take(int step)
        {
            switch (step)
            {
                case > 0:
                    Add(step);
                    break;
                case 0 or -1:
                    Take();
                    break;
                case -2:
                    Lease();
                    break;
                case -3:
                    End(LeaseEnd.Completed);
                    break;
                default:
                    End(LeaseEnd.Abandoned);
                    break;
            }
        }

        public void Check()
        {
            Assert.Equal(waiting.Count + returned.Count, lane.Count);
            Assert.Equal(leased.Count, lane.LeasedCount);
            Assert.Equal(waiting.Count + returned.Count == 0, lane.IsEmpty);
            Assert.Equal(waiting.Count + returned.Count + leased.Count == 0, lane.IsIdle);
        }

        public void CompleteAll()
        {
            while (leased.Count > 0)
                End(LeaseEnd.Completed);
            while (waiting.Count + returned.Count > 0)
                Take();
            Assert.True(lane.IsIdle);
        }

        private void Add(int size)
        {
            byte[] message = new byte[size];
            random.NextBytes(message);
            long held = waiting.Sum(one => one.Message.Length) + returned.Sum(one => one.Value.Message.Length) + leased.Sum(one => one.Message.Length);

            // What lies between those on lease stays as well.
            bool mayBeFull = leased.Count + returned.Count > 0 || held + size > 500_000 || (capacity > 0 && waiting.Count >= capacity);
            using OutgoingMessages messages = OutgoingMessages.Rent();
            messages.Add(message);
            AddResult result = lane.TryAdd(messages, ref turn, thorough: false, out _);
            Assert.True(result == AddResult.Added || mayBeFull, $"{result} with {waiting.Count} messages");
            Assert.False(result == AddResult.Added && capacity > 0 && waiting.Count + returned.Count >= capacity);
            if (result == AddResult.Added)
                waiting.Enqueue((added++, message));
        }

        private void Take()
        {
            using TakenMessages taken = TakenMessages.Rent();
            Assert.Equal(waiting.Count + returned.Count > 0, lane.TryTake(taken, 1, ref turn, thorough: false, out _));
            if (taken.Count == 0)
                return;
            byte[] expected;
            if (returned.Count > 0)
            {
                (int ordinal, (expected, _)) = returned.First();
                returned.Remove(ordinal);
            }
            else
            {
                expected = waiting.Dequeue().Message;
            }

            Assert.Equal(expected, Decode(taken));
        }

        private void Lease()
        {
            using TakenMessages taken = TakenMessages.Rent();
            bool isLeased = lane.TryLease(taken, long.MaxValue, out LaneLease lease, ref turn, thorough: false, out _);
            Assert.Equal(waiting.Count + returned.Count > 0, isLeased);
            if (!isLeased)
                return;
            (int ordinal, byte[] message, int deliveries) = returned.Count > 0
                ? (returned.First().Key, returned.First().Value.Message, returned.First().Value.Deliveries)
                : (waiting.Peek().Ordinal, waiting.Dequeue().Message, 0);
            returned.Remove(ordinal);
            Assert.Equal(message, Decode(taken));
            Assert.Equal(deliveries + 1, lease.Deliveries);
            leased.Add((lease, ordinal, message));
        }

        private void End(LeaseEnd end)
        {
            if (leased.Count == 0)
                return;
            int index = random.Next(leased.Count);
            (LaneLease lease, int ordinal, byte[] message) = leased[index];
            leased.RemoveAt(index);
            Assert.True(lane.Settle(lease, end));
            Assert.False(end == LeaseEnd.Completed && lane.Settle(lease, end));
            if (end == LeaseEnd.Abandoned)
                returned.Add(ordinal, (message, lease.Deliveries));
        }

        private static byte[] Decode(TakenMessages taken)
        {
            PayloadReader reader = new(taken[0]);
            return Codec<byte[]>.Instance.Read(ref reader);
        }
    }
}
