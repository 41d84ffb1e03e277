using System.Runtime.InteropServices;
using Xunit;

namespace ManyHands.Tests.Sync;

/// <summary>The bytes that processes of different builds have to agree on are those that the room's README draws.</summary>
public sealed unsafe class LayoutTests
{
    [Fact]
    public void Offsets_AreThoseOfTheReadme()
    {
        Assert.Equal(128, sizeof(SharedLockBody));
        Assert.Equal(128 + (30 * 128), SharedLockBody.Size);
        Assert.Equal(0, Offset<SharedLockBody>(nameof(SharedLockBody.Word)));
        Assert.Equal(8, Offset<SharedLockBody>(nameof(SharedLockBody.OwnerThread)));
        Assert.Equal(16, Offset<SharedLockBody>(nameof(SharedLockBody.Holds)));
        Assert.Equal(24, Offset<SharedLockBody>(nameof(SharedLockBody.Hold)));
        Assert.Equal(32, Offset<SharedLockBody>(nameof(SharedLockBody.Depth)));
        Assert.Equal(36, Offset<SharedLockBody>(nameof(SharedLockBody.WasAbandoned)));
        Assert.Equal(40, Offset<SharedLockBody>(nameof(SharedLockBody.Conditions)));

        Assert.Equal(128, sizeof(SharedConditionBody));
        Assert.Equal(0, Offset<SharedConditionBody>(nameof(SharedConditionBody.Wakes)));
        Assert.Equal(4, Offset<SharedConditionBody>(nameof(SharedConditionBody.Notifications)));
        Assert.Equal(8, Offset<SharedConditionBody>(nameof(SharedConditionBody.Waiting)));
        Assert.Equal(16, Offset<SharedConditionBody>(nameof(SharedConditionBody.Tickets)));
        Assert.Equal(24, Offset<SharedConditionBody>(nameof(SharedConditionBody.Limit)));
        Assert.Equal(32, Offset<SharedConditionBody>(nameof(SharedConditionBody.AllBefore)));

        Assert.Equal(128, sizeof(SharedSemaphoreBody));
        Assert.Equal(0, Offset<SharedSemaphoreBody>(nameof(SharedSemaphoreBody.Guard)));
        Assert.Equal(8, Offset<SharedSemaphoreBody>(nameof(SharedSemaphoreBody.Wakes)));
        Assert.Equal(12, Offset<SharedSemaphoreBody>(nameof(SharedSemaphoreBody.Sleepers)));
        Assert.Equal(16, Offset<SharedSemaphoreBody>(nameof(SharedSemaphoreBody.Available)));
        Assert.Equal(20, Offset<SharedSemaphoreBody>(nameof(SharedSemaphoreBody.Total)));
        Assert.Equal((128, 128 + (256 * 16)), (SharedSemaphoreBody.TableOffset, SharedSemaphoreBody.Size));
        Assert.Equal(16, sizeof(SharedSemaphorePlace));
        Assert.Equal(0, Offset<SharedSemaphorePlace>(nameof(SharedSemaphorePlace.Holder)));
        Assert.Equal(8, Offset<SharedSemaphorePlace>(nameof(SharedSemaphorePlace.Permits)));

        Assert.Equal(128, sizeof(SharedEventBody));
        Assert.Equal(0, Offset<SharedEventBody>(nameof(SharedEventBody.State)));
        Assert.Equal((1u, 2u, 4u), (SharedEventBody.Set, SharedEventBody.Sleepers, SharedEventBody.OneSet));

        Assert.Equal(640, sizeof(SharedBarrierBody));
        Assert.Equal(0, Offset<SharedBarrierBody>(nameof(SharedBarrierBody.Guard)));
        Assert.Equal(8, Offset<SharedBarrierBody>(nameof(SharedBarrierBody.Phase)));
        Assert.Equal(16, Offset<SharedBarrierBody>(nameof(SharedBarrierBody.Broken)));
        Assert.Equal(20, Offset<SharedBarrierBody>(nameof(SharedBarrierBody.Arrived)));
        Assert.Equal(24, Offset<SharedBarrierBody>(nameof(SharedBarrierBody.Runs)));
        Assert.Equal((64, 8), (SharedBarrierBody.OutcomesOffset, SharedBarrierBody.Outcomes));
        Assert.Equal((128, 64), (SharedBarrierBody.RunsOffset, SharedBarrierBody.MostRuns));
        Assert.Equal(0x1D, (int)SharedBarrierBody.Word(7, PhaseOutcome.Passed));

        static int Offset<T>(string field) => (int)Marshal.OffsetOf<T>(field);
    }
}
