using System.Runtime.InteropServices;
using Xunit;

namespace ManyHands.Tests.Faults;

/// <summary>All descriptors that this process may still have; others find none until they are given back.</summary>
internal sealed partial class DescriptorHoard : IDisposable
{
    private const int DescriptorLimit = 7;
    private const int TooManyHere = 24;
    private const int Most = 256;

    private readonly Stack<int> held = new();

    public DescriptorHoard()
    {
        SetMost(Most);
        Fill();
    }

    /// <summary>Has that many free from now on.</summary>
    public void Leave(int free)
    {
        Fill();
        for (int i = 0; i < free; i++)
            Assert.Equal(0, Close(held.Pop()));
    }

    public void Dispose()
    {
        while (held.TryPop(out int descriptor))
            _ = Close(descriptor);
    }

    private void Fill()
    {
        int descriptor;
        while ((descriptor = Duplicate(0)) >= 0)
            held.Push(descriptor);
        Assert.Equal(TooManyHere, Marshal.GetLastPInvokeError());
    }

    private static unsafe void SetMost(long most)
    {
        long* limit = stackalloc long[] { most, most };
        Assert.Equal(0, SetLimit(DescriptorLimit, limit));
    }

    [LibraryImport("libc", EntryPoint = "setrlimit")]
    private static unsafe partial int SetLimit(int resource, long* limit);

    [LibraryImport("libc", EntryPoint = "dup", SetLastError = true)]
    private static partial int Duplicate(int descriptor);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);
}
