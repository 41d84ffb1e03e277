using Mono.Cecil;
using Mono.Cecil.Cil;
using Xunit;

namespace ManyHands.Tests.Architecture;

/// <summary>Code of the library that has no caller begins in one place, which lets no exception out: it would end the process.</summary>
public sealed class ThreadTests
{
    private const string Guard = "ManyHands.Platform.Guarded";

    /// <summary>What hands code of ours to .NET to be called by nobody. What tasks run is none of it: its exceptions stay in the task.</summary>
    private static readonly string[] Ways =
    [
        "System.Threading.Thread::.ctor",
        "System.Threading.ThreadPool::QueueUserWorkItem",
        "System.Threading.ThreadPool::UnsafeQueueUserWorkItem",
        "System.Threading.ThreadPool::UnsafeQueueNativeOverlapped",
        "System.Threading.ThreadPool::RegisterWaitForSingleObject",
        "System.Threading.ThreadPool::UnsafeRegisterWaitForSingleObject",
        "System.Threading.Timer::.ctor",
        "System.Threading.PeriodicTimer::.ctor",
        "System.Timers.Timer::.ctor",
        "System.Threading.CancellationToken::Register",
        "System.Threading.CancellationToken::UnsafeRegister",
        "System.Threading.SynchronizationContext::Post",
        "System.Threading.ExecutionContext::Run",
        "System.Threading.PreAllocatedOverlapped::.ctor",
        "System.Runtime.InteropServices.PosixSignalRegistration::Create",
        "System.Runtime.InteropServices.Marshal::GetFunctionPointerForDelegate",
        "System.AppDomain::add_ProcessExit",
        "System.AppDomain::add_DomainUnload",
        "System.AppDomain::add_UnhandledException",
        "System.AppDomain::add_FirstChanceException",
        "System.Console::add_CancelKeyPress",
        "System.Diagnostics.Process::add_Exited",
        "System.Diagnostics.Process::add_OutputDataReceived",
        "System.Diagnostics.Process::add_ErrorDataReceived",
        "System.Net.Sockets.SocketAsyncEventArgs::add_Completed",
        "System.IO.FileSystemWatcher::add_Changed",
        "System.Runtime.CompilerServices.AsyncVoidMethodBuilder::Create",
    ];

    /// <summary>The guard itself, and what it reports with.</summary>
    private static readonly string[] Guards = [Guard, "ManyHands.Platform.InternalFaults"];

    public static TheoryData<string> Assemblies => [typeof(Pool).Assembly.Location, typeof(SqliteManagerStorage).Assembly.Location];

    [Theory]
    [MemberData(nameof(Assemblies))]
    public void WhatHasNoCaller_BeginsGuarded(string assembly)
    {
        using ModuleDefinition module = ModuleDefinition.ReadModule(assembly);
        List<string> wrong = [];
        int guarded = 0;
        foreach (MethodDefinition method in module.GetTypes().SelectMany(type => type.Methods).Where(method => method.HasBody))
        {
            bool isGuard = Guards.Contains(Outermost(method.DeclaringType).FullName);
            foreach (MethodReference called in method.Body.Instructions.Select(instruction => instruction.Operand).OfType<MethodReference>())
            {
                if (called.DeclaringType.GetElementType().FullName == Guard)
                    guarded++;
                else if (!isGuard && IsWay(called))
                    wrong.Add($"{method.FullName} calls {called.FullName}");
            }

            if (!isGuard && method.IsVirtual && method.Name == "Finalize" && !CallsGuard(method))
                wrong.Add($"{method.FullName} does more than to call the guard");
            if (!isGuard && method.CustomAttributes.Any(attribute => attribute.AttributeType.Name == "UnmanagedCallersOnlyAttribute"))
                wrong.Add($"{method.FullName} is called by the system");
        }

        Assert.Empty(wrong.Distinct());

        // Or the reading has come apart, and the test sees nothing.
        Assert.InRange(guarded, 1, int.MaxValue);
    }

    // An awaiter that somebody asks himself; what await compiles to goes through the method's builder.
    private static bool IsWay(MethodReference called)
    {
        string owner = called.DeclaringType.GetElementType().FullName;
        return Ways.Contains($"{owner}::{called.Name}")
            || (called.Name is "OnCompleted" or "UnsafeOnCompleted" && owner.StartsWith("System.", StringComparison.Ordinal) && owner.Contains("Awaiter", StringComparison.Ordinal));
    }

    // Its body is the guard's call, the delegates for that, and the base's finalizer.
    private static bool CallsGuard(MethodDefinition finalizer) => finalizer.Body.Instructions
        .Where(instruction => instruction.OpCode.Code is Code.Call or Code.Callvirt)
        .Select(instruction => (MethodReference)instruction.Operand)
        .All(called => called.Name == "Finalize" || called.DeclaringType.GetElementType().FullName == Guard);

    private static TypeDefinition Outermost(TypeDefinition type) => type.DeclaringType is null ? type : Outermost(type.DeclaringType);
}
