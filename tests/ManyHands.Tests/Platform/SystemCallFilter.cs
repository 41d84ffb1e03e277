using System.Runtime.InteropServices;
using Xunit;

namespace ManyHands.Tests.Platform;

/// <summary>Has the kernel refuse a call of one thread, for a reason of one's choice. It holds until the thread ends.</summary>
internal static unsafe partial class SystemCallFilter
{
    private static readonly bool IsX64 = RuntimeInformation.ProcessArchitecture == System.Runtime.InteropServices.Architecture.X64;

    public static readonly int Open = IsX64 ? 257 : 56;
    public static readonly int Read = IsX64 ? 0 : 63;
    public static readonly int SignalThread = IsX64 ? 234 : 131;

    private const int NoNewPrivileges = 38;
    private const int SetFilter = 22;
    private const int FilterMode = 2;
    private const ushort Load = 0x20;
    private const ushort JumpIfEqual = 0x15;
    private const ushort Return = 0x06;
    private const uint Allow = 0x7FFF0000;
    private const uint Fail = 0x00050000;
    private const int Arguments = 16;

    /// <summary>What the function says on a thread of its own whose calls fail as told.</summary>
    public static T Run<T>(Func<T> function, params ReadOnlySpan<Refusal> refusals)
    {
        T? result = default;
        Exception? failure = null;
        Refusal[] all = [.. refusals];

        // What it runs must be loaded before the thread may not open files any more.
        function();
        Thread thread = new(() =>
        {
            try
            {
                foreach (Refusal refusal in all)
                    Install(refusal);
                result = function();
            }
            catch (Exception thrown)
            {
                failure = thrown;
            }
        });
        thread.Start();
        thread.Join();
        return failure is null ? result! : throw new InvalidOperationException(failure.Message, failure);
    }

    private static void Install(Refusal refusal)
    {
        Instruction* code = stackalloc Instruction[]
        {
            new(Load, 0, 0, 0),
            new(JumpIfEqual, 0, 3, (uint)refusal.Call),
            new(Load, 0, 0, (uint)(Arguments + (sizeof(ulong) * refusal.Argument))),
            new(JumpIfEqual, 0, 1, refusal.Value),
            new(Return, 0, 0, Fail | (uint)refusal.Error),
            new(Return, 0, 0, Allow),
        };
        Code program = new() { Count = 6, Instructions = code };
        Assert.Equal(0, Control(NoNewPrivileges, 1, 0, 0, 0));
        Assert.Equal(0, Control(SetFilter, FilterMode, (nint)(&program), 0, 0));
    }

    [LibraryImport("libc", EntryPoint = "prctl")]
    private static partial int Control(int option, nint first, nint second, nint third, nint fourth);

    /// <param name="Call">Its number.</param>
    /// <param name="Argument">Only where the argument of that number, from 0, …</param>
    /// <param name="Value">… has that value.</param>
    /// <param name="Error">Why.</param>
    internal readonly record struct Refusal(int Call, int Argument, uint Value, int Error);

    [StructLayout(LayoutKind.Sequential)]
    private readonly struct Instruction(ushort operation, byte ifTrue, byte ifFalse, uint operand)
    {
        public readonly ushort Operation = operation;
        public readonly byte IfTrue = ifTrue;
        public readonly byte IfFalse = ifFalse;
        public readonly uint Operand = operand;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Code
    {
        public ushort Count;
        public Instruction* Instructions;
    }
}
