using System.Runtime.InteropServices;
using ManyHands.Memory;
using ManyHands.Serialization;
using Xunit;

namespace ManyHands.Tests.Memory;

/// <summary>The block itself: its layout, and how it grows and ends.</summary>
public sealed unsafe class SharedBlockTests : LeakChecked
{
    [Fact]
    public void Layout_IsTheOneInTheReadme()
    {
        Assert.Equal(SharedBlock.HeaderSize, sizeof(SharedBlockHeader));
        Assert.Equal(0, Offset(nameof(SharedBlockHeader.Magic)));
        Assert.Equal(8, Offset(nameof(SharedBlockHeader.Kind)));
        Assert.Equal(16, Offset(nameof(SharedBlockHeader.Id)));
        Assert.Equal(32, Offset(nameof(SharedBlockHeader.BodySize)));
        Assert.Equal(40, Offset(nameof(SharedBlockHeader.Detail)));
        Assert.Equal(48, Offset(nameof(SharedBlockHeader.Reserved)));
        Assert.Equal(64, Offset(nameof(SharedBlockHeader.Tickets)));
        Assert.Equal(128, SharedBlockHeader.MostTickets * sizeof(ulong) + 64);
        Assert.Equal(128, SharedBlock.HeaderSize);

        static int Offset(string field) => (int)Marshal.OffsetOf<SharedBlockHeader>(field);
    }

    [Fact]
    public void Block_Grows_WhereItMay()
    {
        SharedBlock block = SharedBlock.Create(SharedKind.Memory, 1000, largest: 1_000_000);
        Assert.Equal(1000, block.CurrentSize);
        Assert.Equal(1_000_000, block.BodySize);
        block.Grow(500_000);
        Assert.Equal(500_000, block.CurrentSize);
        block.Body[499_999] = 1;
        block.Grow(400);
        Assert.Equal(500_000, block.CurrentSize);
        Assert.Throws<ArgumentOutOfRangeException>(() => block.Grow(1_000_001));
        block.EndUser();
        Assert.Throws<ObjectDisposedException>(() => block.Grow(500_000));
        Assert.Equal(0, block.CurrentSize);
        Assert.Equal(0, block.Body[499_999]);

        SharedBlock still = SharedBlock.Create(SharedKind.Memory, 1000);
        Assert.Throws<ArgumentOutOfRangeException>(() => still.Grow(1001));
        still.EndUser();
    }

    [Fact]
    public void Block_IsOneHere_HoweverOftenItComes()
    {
        SharedBlock block = SharedBlock.Create(SharedKind.Memory, 1000);
        SharedReference reference = block.Refer();
        Assert.Same(block, SharedBlock.Attach(in reference, SharedKind.Memory));
        Assert.Throws<CorruptSharedMemoryException>(() => SharedBlock.Attach(in reference, SharedKind.Queue));
        block.EndUser();
        Assert.False(block.IsReleased);
        block.EndUser();
        Assert.True(block.IsReleased);
        Assert.Throws<ObjectDisposedException>(() => block.Refer());
    }
}
