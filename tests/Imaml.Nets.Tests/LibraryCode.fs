/// The compiled code of an assembly: its methods, what they call, and where an argument comes from.
module Imaml.Nets.Tests.LibraryCode

open Mono.Cecil
open Mono.Cecil.Cil

let rec private nested (t: TypeDefinition) : TypeDefinition list = t :: (t.NestedTypes |> Seq.toList |> List.collect nested)

/// Every method, those that the compiler has made among them.
let methods (assembly: AssemblyDefinition) : MethodDefinition list =
    [
        for t in assembly.MainModule.Types |> Seq.toList |> List.collect nested do
            yield! t.Methods
    ]

/// Every call, with the instruction that makes it.
let callSites (m: MethodDefinition) : (Instruction * MethodReference) list =
    [
        if m.HasBody then
            for instruction in m.Body.Instructions do
                match instruction.Operand with
                | :? MethodReference as called -> instruction, called
                | _ -> ()
    ]

let calls (m: MethodDefinition) : MethodReference list = callSites m |> List.map snd

/// The class that a method was written in, and its name there: what the compiler makes of closures and local functions is its author's too.
let rec writtenIn (m: MethodDefinition) : string =
    let rec owner (t: TypeDefinition) =
        if t.Name.Contains '<' && not (isNull t.DeclaringType) then
            owner t.DeclaringType
        else
            t.Name

    // <Name>b__0 and <Name>g__Local|0 are Name's.
    let name =
        if m.Name.StartsWith '<' then
            m.Name[1 .. m.Name.IndexOf '>' - 1]
        else
            m.Name

    $"{owner m.DeclaringType}.{name}"

let private pushed (instruction: Instruction) =
    match instruction.Operand with
    | :? MethodReference as called when instruction.OpCode <> OpCodes.Ldftn && instruction.OpCode <> OpCodes.Ldvirtftn ->
        if instruction.OpCode = OpCodes.Newobj || called.ReturnType.FullName <> "System.Void" then
            1
        else
            0
    | _ ->
        match instruction.OpCode.StackBehaviourPush with
        | StackBehaviour.Push0 -> 0
        | StackBehaviour.Push1_push1 -> 2
        | _ -> 1

let private popped (instruction: Instruction) =
    match instruction.Operand with
    | :? MethodReference as called when instruction.OpCode <> OpCodes.Ldftn && instruction.OpCode <> OpCodes.Ldvirtftn ->
        called.Parameters.Count
        + (if called.HasThis && instruction.OpCode <> OpCodes.Newobj then
               1
           else
               0)
    | _ ->
        match instruction.OpCode.StackBehaviourPop with
        | StackBehaviour.Pop0 -> 0
        | StackBehaviour.Pop1
        | StackBehaviour.Popi
        | StackBehaviour.Popref -> 1
        | StackBehaviour.Popi_popi_popi
        | StackBehaviour.Popref_popi_popi
        | StackBehaviour.Popref_popi_popi8
        | StackBehaviour.Popref_popi_popr4
        | StackBehaviour.Popref_popi_popr8
        | StackBehaviour.Popref_popi_popref -> 3
        | _ -> 2

/// The instruction that puts an argument of a call on the stack, where no branch lies between.
let producer (site: Instruction) (called: MethodReference) (argument: int) : Instruction | null =
    let rec back (instruction: Instruction | null) depth =
        match instruction with
        | null -> null
        | at when depth < pushed at -> at
        | at -> back at.Previous (depth - pushed at + popped at)

    back site.Previous (called.Parameters.Count - 1 - argument)
